// HTTP requests to one endpoint of the chosen agent that is not an RPC, over one connection that stays open.

import { Agent as PlainAgent, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import { parseAgentAddress } from "../../client/agent-address.ts";
import { type AgentAccess, accessOfChosenAgent } from "./chosen-agent.ts";

export interface EndpointAnswer {
  readonly status: number;
  readonly body: string;
}

/** The agent answers when the next version was tried, which takes 20 s at most. */
const ANSWER_MS = 60_000;
const MAX_BYTES = 64 * 1024;

export class AgentEndpoint {
  readonly #path: string;
  readonly #access: AgentAccess;
  readonly #address: NonNullable<ReturnType<typeof parseAgentAddress>>;
  readonly #agent: PlainAgent;

  /** Throws an AccessError for a token or certificates that cannot be read. */
  constructor(path: string) {
    this.#path = path;
    this.#access = accessOfChosenAgent();
    const address = parseAgentAddress(this.#access.baseUrl);
    if (address === undefined) throw new TypeError(`${this.#access.baseUrl} is not an address`);
    this.#address = address;
    const Agent = this.#isSecure ? SecureAgent : PlainAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
  }

  get(): Promise<EndpointAnswer> {
    return this.#send("GET", undefined);
  }

  post(body: object | undefined): Promise<EndpointAnswer> {
    return this.#send("POST", body);
  }

  close(): void {
    this.#agent.destroy();
  }

  get #isSecure(): boolean {
    return this.#address.baseUrl.startsWith("https:");
  }

  /** Rejects with the error of the connection. */
  #send(method: string, body: object | undefined): Promise<EndpointAnswer> {
    const { baseUrl, socketPath } = this.#address;
    const { token, ca } = this.#access;
    const request = this.#isSecure ? secureRequest : plainRequest;
    return new Promise((resolve, reject) => {
      const call = request(
        `${baseUrl}${this.#path}`,
        {
          method,
          agent: this.#agent,
          timeout: ANSWER_MS,
          headers: {
            ...(body === undefined ? {} : { "Content-Type": "application/json" }),
            ...(token === undefined ? {} : { "X-Access-Token": token }),
          },
          ...(socketPath === undefined ? {} : { socketPath }),
          ...(ca === undefined ? {} : { ca }),
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (piece: string) => {
            text += piece;
            if (text.length > MAX_BYTES) call.destroy(new Error("the answer is too long for an agent's"));
          });
          response.on("error", reject);
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
        },
      );
      call.on("timeout", () => call.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
