// The service that the Connect conformance suite calls, as its service.proto describes it: each request says which
// headers, messages, trailers and error the answer has, and the answer repeats what the server saw of the request.

import { create, createRegistry, type DescMessage, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { startTimer } from "../../src/clock.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  ConformanceService,
  type Error as ErrorDefinition,
  file_connectrpc_conformance_v1_service,
  type Header,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

const messages = createRegistry(file_connectrpc_conformance_v1_service);

export function conformanceRoutes(router: ConnectRouter): void {
  const methods: ServiceImpl<typeof ConformanceService> = {
    unary: (request, context) =>
      answerOnce(request.responseDefinition, context, [anyPack(UnaryRequestSchema, request)]),
    idempotentUnary: (request, context) =>
      answerOnce(request.responseDefinition, context, [anyPack(IdempotentUnaryRequestSchema, request)]),
    clientStream: async (requests, context) => {
      const received = await all(requests);
      const seen = received.map((request) => anyPack(ClientStreamRequestSchema, request));
      return await answerOnce(received[0]?.responseDefinition, context, seen);
    },
    serverStream: (request, context) =>
      answerMany(request.responseDefinition, context, [anyPack(ServerStreamRequestSchema, request)]),
    bidiStream: async function* (requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done === true) return;
      const { responseDefinition, fullDuplex } = first.value;
      const seen = [anyPack(BidiStreamRequestSchema, first.value)];
      const nextRequest = async () => {
        const next = await iterator.next();
        return next.done === true ? undefined : anyPack(BidiStreamRequestSchema, next.value);
      };
      if (fullDuplex) return yield* answerEach(responseDefinition, context, seen[0], nextRequest);
      for (let next = await nextRequest(); next !== undefined; next = await nextRequest()) seen.push(next);
      yield* answerMany(responseDefinition, context, seen);
    },
    unimplemented: () => {
      throw new ConnectError("Unimplemented is not implemented", Code.Unimplemented);
    },
  };
  // The registry is for the requests that an answer repeats as Any.
  router.service(ConformanceService, methods, { jsonOptions: { registry: messages } });
}

async function answerOnce(
  definition: UnaryResponseDefinition | undefined,
  context: HandlerContext,
  requests: Any[],
) {
  const requestInfo = infoOf(context, requests);
  addMetadata(definition, context);
  await pause(definition?.responseDelayMs ?? 0);
  if (definition?.response.case === "error") throw errorOf(definition.response.value, requestInfo);
  const data = definition?.response.case === "responseData" ? definition.response.value : new Uint8Array();
  return { payload: create(ConformancePayloadSchema, { data, requestInfo }) };
}

/** All answers after all requests. */
async function* answerMany(
  definition: StreamResponseDefinition | undefined,
  context: HandlerContext,
  requests: Any[],
) {
  addMetadata(definition, context);
  const requestInfo = infoOf(context, requests);
  for (const [index, data] of (definition?.responseData ?? []).entries()) {
    await pause(definition?.responseDelayMs ?? 0);
    yield { payload: create(ConformancePayloadSchema, index === 0 ? { data, requestInfo } : { data }) };
  }
  const hasAnswered = (definition?.responseData.length ?? 0) > 0;
  if (definition?.error !== undefined) {
    throw errorOf(definition.error, hasAnswered ? undefined : requestInfo);
  }
}

/** One answer to each request; when the requests end, the rest of the answers. */
async function* answerEach(
  definition: StreamResponseDefinition | undefined,
  context: HandlerContext,
  first: Any | undefined,
  nextRequest: () => Promise<Any | undefined>,
) {
  addMetadata(definition, context);
  let requests = first === undefined ? [] : [first];
  const responses = definition?.responseData ?? [];
  for (const [index, data] of responses.entries()) {
    await pause(definition?.responseDelayMs ?? 0);
    const requestInfo =
      index === 0 ? infoOf(context, requests) : create(ConformancePayload_RequestInfoSchema, { requests });
    yield { payload: create(ConformancePayloadSchema, { data, requestInfo }) };
    const next = await nextRequest();
    requests = next === undefined ? [] : [next];
  }
  if (definition?.error !== undefined) {
    throw errorOf(definition.error, responses.length > 0 ? undefined : infoOf(context, requests));
  }
}

function infoOf(context: HandlerContext, requests: Any[]): ConformancePayload_RequestInfo {
  const timeoutMs = context.timeoutMs();
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: headersOf(context.requestHeader),
    requests,
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.trunc(timeoutMs)) }),
    ...(context.requestMethod === "GET"
      ? { connectGetInfo: { queryParams: headersOf(new URL(context.url).searchParams) } }
      : {}),
  });
}

function headersOf(entries: Iterable<[string, string]>): Header[] {
  return [...entries].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));
}

function addMetadata(
  definition: UnaryResponseDefinition | StreamResponseDefinition | undefined,
  context: HandlerContext,
): void {
  const pairs = [
    [definition?.responseHeaders, context.responseHeader],
    [definition?.responseTrailers, context.responseTrailer],
  ] as const;
  for (const [headers = [], target] of pairs) {
    for (const { name, value } of headers) for (const one of value) target.append(name, one);
  }
}

function errorOf(definition: ErrorDefinition, requestInfo: ConformancePayload_RequestInfo | undefined) {
  const packed = [
    ...definition.details,
    ...(requestInfo === undefined ? [] : [anyPack(ConformancePayload_RequestInfoSchema, requestInfo)]),
  ];
  const code: number = definition.code;
  return new ConnectError(definition.message ?? "", code, undefined, packed.map(detailOf));
}

function detailOf(packed: Any): { desc: DescMessage; value: Message } {
  const name = packed.typeUrl.slice(packed.typeUrl.lastIndexOf("/") + 1);
  const desc = messages.getMessage(name);
  const value = anyUnpack(packed, messages);
  if (desc === undefined || value === undefined) throw new Error(`unknown detail ${packed.typeUrl}`);
  return { desc, value };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const received: T[] = [];
  for await (const item of items) received.push(item);
  return received;
}

/** The delay that a request asks for, before an answer. */
function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => (delayMs === 0 ? resolve() : void startTimer(delayMs, resolve)));
}
