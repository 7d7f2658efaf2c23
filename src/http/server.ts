// The agent's server: its addresses, who gets in, what is answered, and its end.

import { createServer, type Server } from "node:net";
import { HoldfastError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { AccessToken } from "./admission/access-token.ts";
import { type AdmissionOptions, admit, type ReportRefusal } from "./admission/admission.ts";
import { createConnectionFront, HEADERS_MS } from "./connection/connection-front.ts";
import { IdleConnections } from "./connection/idle-connections.ts";
import type { TlsIdentity } from "./connection/tls-front.ts";
import { sweepConnections } from "./connection/vanished-peers.ts";
import type { RequestListener } from "./exchange.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "./limits.ts";
import { isTcp, type ListenAddress, type Listening, listenOn } from "./listen/listening.ts";
import { RequestCount } from "./request-count.ts";

export interface ServerOptions {
  /** At least one. */
  readonly addresses: readonly ListenAddress[];
  /** Answers every request that is admitted. POST /init is admitted without a token: it checks that itself. */
  readonly answer: RequestListener;
  readonly logger: Logger;
  /** Without one, or while none is set: whoever reaches the agent is let in. */
  readonly token?: AccessToken;
  /** Else an address that others than this machine reach is refused while no token is set. */
  readonly allowUnauthenticated?: boolean;
  /** What clients may call this agent beside IP addresses, localhost and the names it listens on. See createHostCheck. */
  readonly allowHosts?: readonly string[];
  /** Whose web pages may call it. See createCrossOrigin. */
  readonly allowOrigins?: readonly string[];
  readonly tls?: TlsIdentity | undefined;
  readonly limits?: Partial<HttpLimits>;
  /** Is called for each request that is not admitted. */
  readonly onRefused?: ReportRefusal;
}

export interface RunningServer {
  /** As clients would write the first address: `http://HOST:PORT`, `https://…`, or `unix:/path`. */
  readonly url: string;
  /** Of the first address; 0 where that is no TCP. */
  readonly port: number;
  /** Whether others than this machine reach it. */
  readonly isExposed: boolean;
  /** How many connections there are. */
  readonly connections: number;
  /** Refuses new connections from now on; those there are go on. */
  stopAccepting(): void;
  /** Lets requests finish for at most `flushMs`, then closes every connection. */
  close(flushMs: number): Promise<void>;
}

/**
 * Resolves when clients can connect. Rejects with Node's error where an address cannot be had, and with a HoldfastError for
 * what must not be: then nothing listens.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const { allowOrigins = [], allowUnauthenticated = false } = options;
  const token = options.token ?? new AccessToken();
  if (allowOrigins.includes("*") && !token.isSet && !allowUnauthenticated) throw openToPages();
  const requests = new RequestCount();
  const idle = new IdleConnections(limits.maxIdleConnections);
  const listener = inTurn(
    idle.watch(requests.watch(admit(admissionOf(options, token, limits), options.answer))),
  );
  const front = createConnectionFront({ listener, idle, limits, tls: options.tls, logger: options.logger });
  const servers = options.addresses.map(() => createServer((socket) => front.accept(socket)));
  const closeAll = () => {
    for (const server of servers) if (server.listening) server.close();
  };
  const listenings = await listenOnAll(servers, options.addresses, closeAll);
  const exposed = listenings.find(({ isLocal }) => !isLocal);
  if (exposed !== undefined && !token.isSet && !allowUnauthenticated) {
    // In the turn it began to listen: nobody was accepted.
    closeAll();
    throw openToStrangers(exposed.name);
  }
  const sweep = sweepConnections(front.connections, {
    headersMs: HEADERS_MS,
    idleMs: limits.idleConnectionMs,
  });
  return {
    url: urlOf(listenings[0], options.tls !== undefined),
    port: listenings[0]?.port ?? 0,
    isExposed: exposed !== undefined,
    get connections() {
      return front.connections.size;
    },
    stopAccepting: closeAll,
    close: async (flushMs) => {
      closeAll();
      await requests.none(flushMs);
      sweep.cancel();
      for (const socket of front.connections.keys()) socket.destroy();
    },
  };
}

/** All, or none. */
async function listenOnAll(
  servers: readonly Server[],
  addresses: readonly ListenAddress[],
  closeAll: () => void,
): Promise<Listening[]> {
  const starting = servers.flatMap((server, index) => {
    const address = addresses[index];
    return address === undefined ? [] : [listenOn(server, address)];
  });
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    closeAll();
    throw failed.reason;
  }
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

function urlOf(listening: Listening | undefined, isSecure: boolean): string {
  if (listening?.port === undefined) return listening?.name ?? "";
  return `${isSecure ? "https" : "http"}://${listening.name}`;
}

function openToStrangers(name: string): HoldfastError {
  return new HoldfastError(
    "permission_denied",
    `${name} can be reached from outside this machine, and without an access token whoever reaches it runs commands here: ` +
      "give --access-token-file, or --allow-unauthenticated if only your platform gets through to it",
  );
}

function openToPages(): HoldfastError {
  return new HoldfastError(
    "permission_denied",
    "--allow-origin '*' without an access token lets every web page run commands here: give --access-token-file as well",
  );
}

/** Browsers do not get to Unix sockets: there any Host will do. */
function admissionOf(
  { addresses, allowHosts = [], allowOrigins = [], onRefused }: ServerOptions,
  token: AccessToken,
  { maxHeaderBytes }: HttpLimits,
): AdmissionOptions {
  const own = addresses.flatMap((address) => (address.kind === "tcp" ? [address.host] : []));
  const hosts = addresses.some(isTcp) ? [...own, ...allowHosts] : undefined;
  return { token, hosts, origins: allowOrigins, maxHeaderBytes, onRefused };
}

/**
 * A pipelined request waits until its response has the connection: Node does not close a response that never got it, and
 * whoever streams to that would wait for ever.
 */
function inTurn(listener: RequestListener): RequestListener {
  return (request, response) => {
    const waits = !("stream" in response) && response.socket === null;
    if (waits) response.once("socket", () => listener(request, response));
    else listener(request, response);
  };
}
