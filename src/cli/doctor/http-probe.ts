// One HTTP request of `holdfast doctor` or `holdfast console`, over TCP, TLS or a Unix socket, with a time limit.

import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { parseAgentAddress } from "../../client/agent-address.ts";

const ANSWER_MS = 5_000;
const MOST_BYTES = 64 * 1024;

export interface ProbeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface ProbeOptions {
  readonly ca?: Buffer | undefined;
  /** False: accepts every certificate. */
  readonly isStrict?: boolean;
  readonly json?: object;
  readonly token?: string | undefined;
  readonly answerMs?: number;
}

/** Rejects with the error of the connection. */
export function probe(url: string, path: string, options: ProbeOptions = {}): Promise<ProbeAnswer> {
  const { ca, isStrict = true, json, token, answerMs = ANSWER_MS } = options;
  const address = parseAgentAddress(url);
  if (address === undefined) throw new TypeError(`${url} is not an address`);
  const { baseUrl, socketPath } = address;
  const request = baseUrl.startsWith("https:") ? secureRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const call = request(
      `${baseUrl}${path}`,
      {
        method: json === undefined ? "GET" : "POST",
        agent: false,
        timeout: answerMs,
        rejectUnauthorized: isStrict,
        headers: {
          ...(json === undefined ? {} : { "Content-Type": "application/json" }),
          ...(token === undefined ? {} : { "X-Access-Token": token }),
        },
        ...(socketPath === undefined ? {} : { socketPath }),
        ...(ca === undefined ? {} : { ca }),
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          body += text;
          if (body.length > MOST_BYTES) call.destroy(new Error("the answer is too long for an agent's"));
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer within ${answerMs / 1000} s`)));
    call.on("error", reject);
    call.end(json === undefined ? undefined : JSON.stringify(json));
  });
}
