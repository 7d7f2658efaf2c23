// Connects Node's HTTP servers with Connect-ES's handlers, which implement the protocols (Connect, gRPC, gRPC-web, their
// compressions, errors and trailers). It differs from connect-node's adapter in three ways: handlers get the response
// (they write output directly to it), deadlines that are too long for Node's timers are hidden from the library, and
// no request ends the agent.

import type { DescMethod, JsonReadOptions, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from "@connectrpc/connect";
import {
  assertByteStreamRequest,
  type UniversalHandler,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { MAX_TIMEOUT_MS } from "../../clock.ts";
import {
  encodeGrpcMessage,
  grantOf,
  type NodeRequest,
  type NodeResponse,
  pathOf,
  type Refusal,
  type RequestListener,
  refuse,
} from "../../http/index.ts";
import { lastingNowMs } from "../../lasting-time.ts";
import type { Logger } from "../../logger.ts";
import { mediaType, requestBody } from "../body/request-body.ts";
import { timelyBody } from "../body/timely-body.ts";
import { answerDirectly } from "../direct/direct-answers.ts";
import { type DirectMethod, directMethod } from "../direct/direct-method.ts";
import { loadLate } from "../load-late.ts";
import { holdAnswer } from "../memory/answer-memory.ts";
import type { RequestMemory } from "../memory/request-memory.ts";
import type { Codec } from "../output/event-frames.ts";
import { removeTimeout, timeoutMs } from "../request-headers.ts";
import { acceptedCompressions } from "./answer-compression.ts";
import { callContext, setCallContext } from "./call-context.ts";
import { decodedAhead } from "./decoded-ahead.ts";
import { type EncodedMessage, withEncodedMessage } from "./encoded-message.ts";
import { readAnswer } from "./error-answer.ts";
import type { LongBytesDecode } from "./json-bytes.ts";
import { strictTextDecoder, textDecoderFor } from "./json-text.ts";
import { keepProtoKeys } from "./map-keys.ts";
import { keepByteOrderMarks } from "./text-encoding.ts";
import { universalRequest } from "./universal-request.ts";
import { unknownRpc } from "./unknown-rpc.ts";
import { writeAnswer } from "./write-answer.ts";

type Routes = (router: ConnectRouter) => void;

export interface AdapterOptions {
  readonly routes: Routes;
  readonly lateRoutes?: LateRoutes;
  /** The paths of methods that are answered without the library if they are called in a common form. */
  readonly directPaths?: ReadonlySet<string>;
  readonly logger: Logger;
  /** The largest message, before and after decompression. */
  readonly maxMessageBytes: number;
  /** How long a request with a single message may take to arrive. */
  readonly requestMs: number;
  /** Counts the bytes of requests while they arrive. */
  readonly memory: RequestMemory;
  /** Answers requests that are not RPCs. */
  readonly fallback: RequestListener;
}

const notLoaded: Refusal = {
  code: Code.Unavailable,
  httpStatus: 503,
  message: "this service could not be loaded; try again",
};

/** Services that are loaded at the first call of one of them. */
export interface LateRoutes {
  readonly paths: readonly string[];
  load(): Promise<Routes>;
}

export function createRpcListener(options: AdapterOptions): RequestListener {
  const { lateRoutes, maxMessageBytes } = options;
  keepByteOrderMarks();
  keepProtoKeys();
  const { handlers, direct } = servedBy(options.routes, maxMessageBytes);
  const services = [...new Set([...handlers.values()].map(({ service }) => service.typeName))];
  const late = lateRoutes && {
    paths: lateRoutes.paths,
    load: loadLate(async () => servedBy(await lateRoutes.load(), maxMessageBytes).handlers),
  };
  return (request, response) => {
    const path = pathOf(request);
    // Node emits the errors of a broken connection on the response also, and ends the program if there is no listener.
    response.on("error", () => {
      // The signal of the request reports it to the handler.
    });
    const call = (handler: UniversalHandler | undefined) => {
      if (handler === undefined) {
        const refusal = unknownRpc(request, services);
        return refusal === undefined
          ? options.fallback(request, response)
          : refuse(request, response, refusal);
      }
      const failed = (error: unknown) => fail(error, request, response, options.logger);
      const served = { handler, direct: direct.get(path) };
      const withBody = (body: AsyncIterable<Uint8Array>) =>
        void serve(served, request, response, body, options).catch(failed);
      const method = options.directPaths?.has(path) === true ? served.direct : undefined;
      if (method && answerDirectly(method, request, response, options, { withBody, fail: failed })) return;
      const limitMs = isOneMessage(handler) ? options.requestMs : undefined;
      withBody(timelyBody(request, response, limitMs));
    };
    if (late?.paths.includes(path) !== true) return call(handlers.get(path));
    late.load().then(
      (loaded) => call(loaded.get(path)),
      (error: unknown) => {
        options.logger.error({ err: error }, "a service could not be loaded");
        refuse(request, response, notLoaded);
      },
    );
  };
}

interface ServedMethod {
  readonly handler: UniversalHandler;
  readonly direct: DirectMethod | undefined;
}

/** By path. */
interface Served {
  readonly handlers: ReadonlyMap<string, UniversalHandler>;
  /** The same methods, as far as they can be called without the library. */
  readonly direct: ReadonlyMap<string, DirectMethod>;
}

function servedBy(routes: Routes, maxMessageBytes: number): Served {
  const binaryOptions = { readUnknownFields: false };
  const router = createConnectRouter({
    acceptCompression: [...acceptedCompressions],
    readMaxBytes: maxMessageBytes,
    binaryOptions,
    jsonOptions: { textDecoder: strictTextDecoder } as Partial<JsonReadOptions>,
  });
  const direct = new Map<string, DirectMethod>();
  const limits = { readMaxBytes: maxMessageBytes, writeMaxBytes: MAX_WRITE_BYTES };
  const onMethod: OnMethod = (method, handle, json) => {
    const one = directMethod(method, handle, { binary: binaryOptions, json, limits });
    if (one !== undefined) direct.set(one.path, one);
    return one;
  };
  routes(withEnumChecks(router, onMethod));
  return { handlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])), direct };
}

/** The library's own limit. */
const MAX_WRITE_BYTES = 0xffffffff;

type OnMethod = (
  method: DescMethod,
  handle: MethodImpl<DescMethod>,
  jsonOptions: Partial<JsonReadOptions>,
) => DirectMethod | undefined;

function isDecodedAhead(
  direct: DirectMethod | undefined,
): direct is DirectMethod & { decodeLong: LongBytesDecode } {
  return direct?.decodeLong !== undefined && direct.implementation.kind === "unary";
}

/** A method whose request holds enums gets a handler with a decoder of its own, which replaces that of the service. */
function withEnumChecks(router: ConnectRouter, onMethod: OnMethod): ConnectRouter {
  const checked: ConnectRouter = {
    ...router,
    service: (service, implementation, options) => {
      router.service(service, implementation, options);
      const methods = implementation as Readonly<Record<string, MethodImpl<DescMethod> | undefined>>;
      for (const method of service.methods) {
        const textDecoder = textDecoderFor(method.input);
        const handle = methods[method.localName];
        if (handle === undefined) continue;
        const jsonOptions = { ...options?.jsonOptions, textDecoder } as Partial<JsonReadOptions>;
        const isAhead = isDecodedAhead(onMethod(method, handle, jsonOptions));
        const taking = isAhead ? takingDecoded(handle) : handle;
        if (isAhead || textDecoder !== strictTextDecoder)
          router.rpc(method, taking, { ...options, jsonOptions });
      }
      return checked;
    },
  };
  return checked;
}

/** `handle` of a unary method gets the message that was decoded before the library, if one was. */
function takingDecoded(handle: MethodImpl<DescMethod>): MethodImpl<DescMethod> {
  const call = handle as (request: Message, context: HandlerContext) => unknown;
  return ((request: Message, context: HandlerContext) =>
    call(callContext(context.values).takeDecoded?.() ?? request, context)) as MethodImpl<DescMethod>;
}

async function serve(
  { handler, direct }: ServedMethod,
  request: NodeRequest,
  response: NodeResponse,
  received: AsyncIterable<Uint8Array>,
  { memory, maxMessageBytes }: AdapterOptions,
): Promise<void> {
  const values = createContextValues();
  const universal = universalRequest(request, response, received, values);
  const limitMs = timeoutMs(universal.header);
  const boundsProcess = handler.method.name === "Start";
  const isHidden = boundsProcess || limitMs === undefined || limitMs > MAX_TIMEOUT_MS;
  if (isHidden) removeTimeout(universal.header);
  assertByteStreamRequest(universal);
  const share = memory.open();
  response.once("close", () => share.close());
  const body = requestBody({ ...universal, body: received }, handler.method, { share, maxMessageBytes });
  let encoded: EncodedMessage | undefined;
  let decoded: Message | undefined;
  setCallContext(values, {
    response,
    codec: codecOf(request),
    grant: grantOf(request),
    timeoutMs: boundsProcess ? limitMs : undefined,
    dueAtMs: isHidden ? undefined : lastingNowMs() + limitMs,
    releaseRequest: () => share.release(),
    takeDecoded: () => {
      const taken = decoded;
      decoded = undefined;
      return taken;
    },
    answerWith: (message) => {
      encoded = message;
    },
  });
  const contentType = universal.header.get("Content-Type") ?? "";
  const isAhead = isDecodedAhead(direct) && mediaType(universal.header) === "application/json";
  const keep = (message: Message) => {
    decoded = message;
  };
  const passedOn = isAhead ? decodedAhead(body, direct.decodeLong, keep) : body;
  const handled = await handler({ ...universal, body: passedOn });
  // Its request is handled: only in a bidirectional stream more of it may follow.
  if (handler.method.methodKind !== "bidi_streaming") share.close();
  const { refusal, answer, bytes = 0 } = await readAnswer(handled, handler, contentType);
  if (refusal !== undefined) return refuse(request, response, refusal);
  const answerBytes = encoded?.bytes ?? bytes;
  const noRoom =
    handler.method.methodKind === "unary" ? holdAnswer(answerBytes, response, memory) : undefined;
  if (noRoom !== undefined) {
    await answer.body?.[Symbol.asyncIterator]().return?.();
    return refuse(request, response, noRoom);
  }
  const isEnveloped = /^application\/grpc/i.test(contentType);
  const whole = encoded === undefined ? answer : withEncodedMessage(answer, encoded, isEnveloped);
  await writeAnswer(withPlainMessage(whole), response, isStreamAnswer(handler));
}

/** `application/connect+json` and the like, in upper or lower case. Every other type that the library accepts is binary. */
function codecOf(request: NodeRequest): Codec {
  return request.headers["content-type"]?.toLowerCase().includes("json") === true ? "json" : "binary";
}

function isStreamAnswer({ method: { methodKind } }: UniversalHandler): boolean {
  return methodKind === "server_streaming" || methodKind === "bidi_streaming";
}

/** Whether the request is a single message, which has to arrive in time. A client stream has no time limit. */
function isOneMessage({ method: { methodKind } }: UniversalHandler): boolean {
  return methodKind === "unary" || methodKind === "server_streaming";
}

/**
 * Ends a request that no handler answered. A ConnectError says what is wrong with the request; every
 * other error is a bug of the agent.
 */
function fail(error: unknown, request: NodeRequest, response: NodeResponse, logger: Logger): void {
  const { code, rawMessage } = ConnectError.from(error);
  if (response.headersSent || response.destroyed || code === Code.Aborted || code === Code.Canceled) {
    logger.debug({ err: error }, "a request was left unfinished");
    if (!response.writableEnded) response.destroy();
    return;
  }
  if (error instanceof ConnectError && code === Code.InvalidArgument) {
    logger.debug({ err: error }, "a request was refused");
    refuse(request, response, { code, httpStatus: 400, message: rawMessage });
    return;
  }
  logger.error({ err: error }, "a request failed unexpectedly");
  refuse(request, response, { code: Code.Internal, httpStatus: 500, message: "internal error" });
}

/**
 * Encodes grpc-message as gRPC specifies it (encodeGrpcMessage); the library percent-encodes every character that is
 * not allowed in a URI component. The trailer is complete when the body is.
 */
function withPlainMessage(answer: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = answer;
  if (body === undefined || trailer === undefined) return answer;
  return { ...answer, body: thenEncodeMessage(body, trailer) };
}

async function* thenEncodeMessage(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers,
): AsyncIterable<Uint8Array> {
  yield* body;
  const message = trailer.get("grpc-message");
  if (message === null) return;
  trailer.set("grpc-message", encodeGrpcMessage(decodeURIComponent(message)));
}
