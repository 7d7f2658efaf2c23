// Between Node's HTTP servers and Connect-ES's handlers, which know the protocols (Connect, gRPC, gRPC-web, their
// compressions, errors and trailers). Like connect-node's own adapter, but it hands the response to handlers (they
// write output past the library), keeps deadlines Node's timers cannot hold away from it, and survives everything.

import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
} from "@connectrpc/connect";
import {
  assertByteStreamRequest,
  type UniversalHandler,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import {
  compressionBrotli,
  compressionGzip,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { MAX_TIMEOUT_MS, startTimer } from "../clock.ts";
import {
  closeIfUnread,
  encodeGrpcMessage,
  type NodeRequest,
  type NodeResponse,
  pathOf,
  type Refusal,
  type RequestListener,
  refuse,
} from "../http/index.ts";
import type { Logger } from "../logger.ts";
import { setCall } from "./call-context.ts";
import type { Codec } from "./output/event-frames.ts";
import { removeTimeout, timeoutMs } from "./request-headers.ts";
import type { RequestMemory } from "./request-memory.ts";
import { universalRequest } from "./universal-request.ts";

type Routes = (router: ConnectRouter) => void;

export interface AdapterOptions {
  readonly routes: Routes;
  readonly lateRoutes?: LateRoutes;
  readonly logger: Logger;
  /** One message's size at most, before and after decompression. */
  readonly maxMessageBytes: number;
  /** How long a request whose message is one piece may take to arrive. */
  readonly requestMs: number;
  /** Holds what arrives. */
  readonly memory: RequestMemory;
  /** What is no RPC. */
  readonly fallback: RequestListener;
}

const notLoaded: Refusal = {
  code: Code.Unavailable,
  httpStatus: 503,
  message: "this service could not be loaded: try again",
};

/** Services that are loaded with the first call of one of them. */
export interface LateRoutes {
  readonly paths: readonly string[];
  load(): Promise<Routes>;
}

export function createRpcListener(options: AdapterOptions): RequestListener {
  const { lateRoutes, maxMessageBytes } = options;
  const handlers = handlersOf(options.routes, maxMessageBytes);
  let late: Promise<Handlers> | undefined;
  const loadLate = (routes: LateRoutes) => {
    late ??= routes.load().then((loaded) => handlersOf(loaded, maxMessageBytes));
    // For want of descriptors, say: the next call tries again.
    late.catch(() => {
      late = undefined;
    });
    return late;
  };
  return (request, response) => {
    const path = pathOf(request);
    // Node emits errors of a connection that broke on the response, too, and ends the program when nobody listens.
    response.on("error", () => {
      // The handler learns of it by its signal.
    });
    const call = (handler: UniversalHandler | undefined) => {
      if (handler === undefined) return options.fallback(request, response);
      closeIfUnread(request, response);
      if (isOneMessage(handler)) limitBody(request, response, options.requestMs);
      serve(handler, request, response, options.memory).catch((error: unknown) =>
        fail(error, request, response, options.logger),
      );
    };
    if (lateRoutes?.paths.includes(path) !== true) return call(handlers.get(path));
    loadLate(lateRoutes).then(
      (loaded) => call(loaded.get(path)),
      (error: unknown) => {
        options.logger.error({ err: error }, "a service could not be loaded");
        refuse(request, response, notLoaded);
      },
    );
  };
}

type Handlers = ReadonlyMap<string, UniversalHandler>;

function handlersOf(routes: Routes, maxMessageBytes: number): Handlers {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: maxMessageBytes,
  });
  routes(router);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

async function serve(
  handler: UniversalHandler,
  request: NodeRequest,
  response: NodeResponse,
  memory: RequestMemory,
): Promise<void> {
  const values = createContextValues();
  const universal = universalRequest(request, response, values);
  const limitMs = timeoutMs(universal.header);
  const boundsProcess = handler.method.name === "Start";
  if (boundsProcess || limitMs === undefined || limitMs > MAX_TIMEOUT_MS) removeTimeout(universal.header);
  assertByteStreamRequest(universal);
  const { body, release } = memory.hold(universal.body);
  response.once("close", release);
  const call = { response, codec: codecOf(request), releaseRequest: release };
  setCall(values, { ...call, timeoutMs: boundsProcess ? limitMs : undefined });
  const answer = await handler({ ...universal, body });
  await universalResponseToNodeResponse(withPlainMessage(answer), response);
}

/** `application/connect+json` and its like, in any case; everything else the library takes is binary. */
function codecOf(request: NodeRequest): Codec {
  return request.headers["content-type"]?.toLowerCase().includes("json") === true ? "json" : "binary";
}

/** Whether all of the request can be here before it is answered: what a client streams takes as long as it likes. */
function isOneMessage({ method: { methodKind } }: UniversalHandler): boolean {
  return methodKind === "unary" || methodKind === "server_streaming";
}

/** A request that never ends would hold its connection, and what has arrived of it, for ever. */
function limitBody(request: NodeRequest, response: NodeResponse, requestMs: number): void {
  const timer = startTimer(requestMs, () => {
    if (!response.headersSent) response.writeHead(408, { "Content-Type": "text/plain" });
    response.end(`the request did not arrive within ${requestMs} ms (--request-timeout)\n`, () =>
      request.destroy(),
    );
  });
  const cancel = () => timer.cancel();
  request.once("end", cancel).once("close", cancel);
}

/** What the library could not answer in the words of a protocol: a gone client, or no proper HTTP request. */
function fail(error: unknown, request: NodeRequest, response: NodeResponse, logger: Logger): void {
  const { code } = ConnectError.from(error);
  if (response.headersSent || response.destroyed || code === Code.Aborted || code === Code.Canceled) {
    logger.debug({ err: error }, "a request was left unfinished");
    response.destroy();
    return;
  }
  logger.debug({ err: error }, "a request was refused");
  response.writeHead(400, { "Content-Type": "text/plain" });
  response.end(`Host "${request.headers.host ?? ""}" and target "${request.url}" make no URL\n`);
}

/**
 * The library percent-encodes all of grpc-message that a URI component may not hold: see encodeGrpcMessage. The trailer is
 * complete when the body is.
 */
function withPlainMessage(answer: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = answer;
  if (body === undefined || trailer === undefined) return answer;
  return { ...answer, body: thenDecodeMessage(body, trailer) };
}

async function* thenDecodeMessage(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers,
): AsyncIterable<Uint8Array> {
  yield* body;
  const message = trailer.get("grpc-message");
  if (message === null) return;
  trailer.set("grpc-message", encodeGrpcMessage(decodeURIComponent(message)));
}
