// The agent's HTTP server: its addresses, the chain of listeners a request passes, and its end. It leaves
// the answers to `answer`, and knows neither RPCs nor processes.

import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import { descriptorOf } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import { AccessToken } from "./admission/access-token.ts";
import { type AdmissionOptions, admit, type ReportRefusal } from "./admission/admission.ts";
import { Credentials } from "./admission/credentials.ts";
import { HIGHEST, type RequirementOf } from "./admission/requirement.ts";
import {
  type BusyConnection,
  openConnection,
  partFrom,
  type ServerState,
  sendRest,
} from "./carried-connections.ts";
import { createConnectionEntry } from "./connection/connection-entry.ts";
import { endAfterLastAnswer, setLastAnswer } from "./connection/early-answer.ts";
import { IdleConnections } from "./connection/idle-connections.ts";
import { createSweep } from "./connection/sweep.ts";
import type { TlsIdentity } from "./connection/tls-entry.ts";
import type { HasRoom } from "./connection/waiting-streams.ts";
import { markWritten, unmarkWritten } from "./connection/written-answers.ts";
import type { NodeRequest, RequestListener } from "./exchange.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "./limits.ts";
import { acceptsConnections } from "./listen/listener-check.ts";
import { isTcp, type ListenAddress, type Listening, listenOn } from "./listen/listening.ts";
import { RequestCount } from "./request-count.ts";

/** Node writes the last frames of an HTTP/2 session in a later turn than the one in which its last stream closes. */
const LAST_FRAMES_MS = 100;

export interface ServerOptions {
  /** At least one. */
  readonly addresses: readonly ListenAddress[];
  /** Answers every request that is admitted. */
  readonly answer: RequestListener;
  readonly logger: Logger;
  /** Undefined, or while it requires no token: every client that reaches the agent is admitted. */
  readonly credentials?: Credentials;
  /** Default: every request needs the highest scope. */
  readonly requirementOf?: RequirementOf;
  /** Whether pages that the agent itself serves may call it. */
  readonly servesPages?: boolean;
  /** Allows addresses that other machines can reach without a token being set. */
  readonly allowUnauthenticated?: boolean;
  /** Names of this agent in addition to those it listens on. See createHostCheck. */
  readonly allowHosts?: readonly string[];
  /** Origins whose web pages may call it. See createCrossOrigin. */
  readonly allowOrigins?: readonly string[];
  readonly tls?: TlsIdentity | undefined;
  readonly limits?: Partial<HttpLimits>;
  /** Is called for each request that is not admitted. */
  readonly onRefused?: ReportRefusal;
  /** Is called when the number of connections without a request changes. */
  readonly onIdleCount?: (connections: number) => void;
  /** Whether so many streams of HTTP/2 may wait for their turn. Default: any number. */
  readonly hasRoomForStreams?: HasRoom;
  /** Is called for each request that arrives, also one that is not admitted, with the length of its headers. */
  readonly onRequest?: (headerBytes: number) => void;
  /** Is told how much garbage requests have left in small pieces, which V8 hardly notices. */
  readonly onGarbage?: (bytes: number) => void;
  /**
   * The connections and sockets of another image of this agent. Its connections are not read before
   * `goOn`.
   */
  readonly saved?: ServerState | undefined;
}

/** A connection that waits for the rest of a request's head takes 20 to 70 KB. */
export const MAX_IDLE_IN_SHORT_MEMORY = 128;

export interface RunningServer {
  /** The first address as clients write it: `http://HOST:PORT`, `https://…`, or `unix:/path`. */
  readonly url: string;
  /** The port of the first address; 0 unless that is TCP. */
  readonly port: number;
  /** True if other machines can reach it. */
  readonly isExposed: boolean;
  /** The number of open connections. */
  readonly connections: number;
  /**
   * Prepares the end: each connection ends with the answer to its next request (HTTP/1.1) or its last
   * open stream (HTTP/2, after GOAWAY). New connections are still accepted, so that clients receive an
   * answer and not a refused connection.
   */
  stop(): void;
  /** Closes every connection except that of `asking`, and returns their number. */
  closeConnections(asking?: NodeRequest): number;
  /** While the agent's memory is short, fewer connections may be idle. */
  setMemoryShort(isShort: boolean): void;
  /** Listens anew on each address on which connections are no longer accepted. */
  checkListeners(): Promise<void>;
  /** Whether a part of a request has arrived, on a connection that can be carried when it is silent. */
  readonly hasHalfArrived: boolean;
  /** How many requests are being answered. */
  readonly requests: number;
  /** See ConnectionEntry. */
  partFromIdle(): void;
  /** The sockets, but for the connections in `carried`. Changes nothing. */
  save(carried: ReadonlySet<number>): ServerState;
  /** See Http1Server. */
  sentAhead(socket: Socket): Buffer | undefined;
  /** Opens a connection that another image of the agent left with an answer on it, which may be its last one. */
  resume(fd: number, isLastAnswer: boolean): BusyConnection;
  /** Continues with the saved connections. */
  goOn(): void;
  /** Stops listening, lets requests finish for at most `flushMs`, then closes every connection. */
  close(flushMs: number): Promise<void>;
}

/**
 * Resolves when clients can connect. Rejects with Node's error if it cannot listen on an address, and with
 * a HoldfastError for settings that are not safe; nothing listens then.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const { allowOrigins = [], allowUnauthenticated = false } = options;
  const credentials = options.credentials ?? new Credentials(new AccessToken());
  if (allowOrigins.includes("*") && !credentials.areRequired && !allowUnauthenticated) throw openToPages();
  const requests = new RequestCount();
  const idle = new IdleConnections(limits.maxIdleConnections, options.onIdleCount);
  const answer = idle.watch(requests.watch(admit(admissionOf(options, credentials, limits), options.answer)));
  const listener: RequestListener = (request, response) => {
    sweep.hurry();
    answer(request, response);
  };
  const { tls, logger, hasRoomForStreams, onRequest, onGarbage } = options;
  const entry = createConnectionEntry({
    ...{ listener, idle, limits, hasRoomForStreams, tls, logger },
    ...{ onRequest, onGarbage },
  });
  const { headersMs, idleConnectionMs: idleMs } = limits;
  const sweep = createSweep(entry.connections, { headersMs, idleMs }, entry.checkTimes, entry.isSilent);
  const accept = (socket: Socket) => {
    entry.accept(socket);
    sweep.watch(socket);
  };
  const acceptUsed = (socket: Socket) => {
    entry.acceptUsed(socket);
    sweep.watch(socket);
  };
  const servers = options.addresses.map(() => createServer(accept));
  const inherited = options.saved?.listening.map(({ fd }) => fd) ?? [];
  const closeAll = () => {
    for (const server of servers) if (server.listening) server.close();
  };
  /** If this image cannot continue, another one listens on the inherited sockets. */
  const closeUnlessInherited = () => {
    if (options.saved === undefined) closeAll();
  };
  const listenings = await listenOnAll(servers, options.addresses, inherited, closeUnlessInherited);
  const exposed = listenings.find(({ isLocal }) => !isLocal);
  if (exposed !== undefined && !credentials.areRequired && !allowUnauthenticated) {
    // In the turn in which it began to listen: no connection was accepted.
    closeUnlessInherited();
    throw openToStrangers(exposed.name);
  }
  const resume = (fd: number, isLastAnswer: boolean): BusyConnection => {
    const socket = openConnection(fd);
    if (isLastAnswer) setLastAnswer(socket);
    const end = requests.begin();
    entry.addBusy(socket);
    sweep.watch(socket);
    socket.once("close", end);
    return {
      socket,
      written: (early) => markWritten(socket, early),
      release: () => {
        end();
        unmarkWritten(socket);
        if (socket.destroyed) return;
        if (isLastAnswer) return endAfterLastAnswer(socket);
        acceptUsed(socket);
      },
    };
  };
  return {
    url: urlOf(listenings[0], options.tls !== undefined),
    port: listenings[0]?.port ?? 0,
    isExposed: exposed !== undefined,
    get connections() {
      return entry.connections.size;
    },
    get requests() {
      return requests.count;
    },
    get hasHalfArrived() {
      return entry.hasHalfArrived();
    },
    partFromIdle: entry.partFromIdle,
    save: (carried) => ({
      listening: options.addresses.map((address, index) => savedListener(address, servers[index])),
      ...entry.save(carried),
    }),
    sentAhead: entry.sentAhead,
    resume,
    goOn: () => {
      for (const state of options.saved?.written ?? [])
        sendRest(resume(state.fd, state.isLastAnswer === true), state);
      for (const fd of options.saved?.parting ?? []) partFrom(fd);
      const used = new Set(options.saved?.used);
      for (const fd of options.saved?.silent ?? []) (used.has(fd) ? acceptUsed : accept)(openConnection(fd));
    },
    stop: entry.endConnections,
    closeConnections: entry.closeConnections,
    setMemoryShort: (isShort) => {
      const { maxIdleConnections } = limits;
      idle.setMax(isShort ? Math.min(MAX_IDLE_IN_SHORT_MEMORY, maxIdleConnections) : maxIdleConnections);
    },
    checkListeners: async () => {
      await Promise.all(
        servers.map(async (server, index) => {
          const address = options.addresses[index];
          if (address === undefined || !server.listening || (await acceptsConnections(server))) return;
          servers[index] = await listenAnew(server, address, accept, options.logger);
        }),
      );
    },
    close: async (flushMs) => {
      closeAll();
      // Node removes only the file of a socket that it has bound itself.
      for (const [index, address] of options.addresses.entries())
        if (address.kind === "unix" && inherited[index] !== undefined) rmSync(address.path, { force: true });
      await requests.none(flushMs);
      sweep.stop();
      entry.endConnections();
      for (const [socket, session] of entry.connections) if (session === undefined) socket.destroy();
      await untilClosed([...entry.connections.keys()], LAST_FRAMES_MS);
      for (const socket of entry.connections.keys()) socket.destroy();
    },
  };
}

/** Resolves when all of `sockets` are closed, or after `patienceMs`. */
function untilClosed(sockets: readonly Socket[], patienceMs: number): Promise<void> {
  let open = sockets.length;
  if (open === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = startTimer(patienceMs, resolve);
    const onClose = () => {
      if (--open > 0) return;
      timer.cancel();
      resolve();
    };
    for (const socket of sockets) socket.once("close", onClose);
  });
}

/** Listens on all addresses, or on none. */
async function listenOnAll(
  servers: readonly Server[],
  addresses: readonly ListenAddress[],
  inherited: readonly number[],
  closeAll: () => void,
): Promise<Listening[]> {
  const starting = servers.flatMap((server, index) => {
    const address = addresses[index];
    return address === undefined ? [] : [listenOn(server, address, inherited[index])];
  });
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    closeAll();
    throw failed.reason;
  }
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/** Throws if the socket is not known: the next image would listen nowhere. */
function savedListener(address: ListenAddress, server: Server | undefined): ServerState["listening"][number] {
  const fd = server && descriptorOf(server);
  if (fd === undefined) throw new Error("a listening socket has no descriptor");
  // Node does not know the path of a Unix socket that was inherited.
  const bound = address.kind === "tcp" ? server?.address() : undefined;
  if (address.kind !== "tcp" || typeof bound !== "object" || bound === null) return { address, fd };
  return { address: { ...address, port: bound.port }, fd };
}

/** Replaces a listening socket that accepts nothing. Returns the old one if that is not possible. */
async function listenAnew(
  old: Server,
  address: ListenAddress,
  accept: (socket: Socket) => void,
  logger: Logger,
): Promise<Server> {
  const bound = old.address();
  if (address.kind === "inherited" || bound === null) {
    logger.error({ address }, "the listening socket accepts no connections; only its owner can replace it");
    return old;
  }
  // Not awaited: `close` waits for the connections of the server.
  old.close();
  const server = createServer(accept);
  const port = typeof bound === "string" ? undefined : bound.port;
  const listening = await listenOn(
    server,
    address.kind === "tcp" && port !== undefined ? { ...address, port } : address,
  );
  logger.warn({ address: listening.name }, "the listening socket accepted no connections; listening anew");
  return server;
}

function urlOf(listening: Listening | undefined, isSecure: boolean): string {
  if (listening?.port === undefined) return listening?.name ?? "";
  return `${isSecure ? "https" : "http"}://${listening.name}`;
}

function openToStrangers(name: string): HoldfastError {
  return new HoldfastError(
    "permission_denied",
    `other machines can reach ${name}, and no access token is set: set one with --access-token-file, or use ` +
      "--allow-unauthenticated if only your platform can reach it",
  );
}

function openToPages(): HoldfastError {
  return new HoldfastError(
    "permission_denied",
    "--allow-origin '*' without an access token would let every web page run commands here; set a token with --access-token-file",
  );
}

/** Browsers cannot reach a Unix socket: every Host is allowed there. */
function admissionOf(
  options: ServerOptions,
  credentials: Credentials,
  { maxHeaderBytes }: HttpLimits,
): AdmissionOptions {
  const { addresses, allowHosts = [], allowOrigins = [], servesPages = false, onRefused } = options;
  const { requirementOf = () => HIGHEST } = options;
  const own = addresses.flatMap((address) => (address.kind === "tcp" ? [address.host] : []));
  const hosts = addresses.some(isTcp) ? [...own, ...allowHosts] : undefined;
  const origins = allowOrigins;
  return { credentials, requirementOf, servesPages, hosts, origins, maxHeaderBytes, onRefused };
}
