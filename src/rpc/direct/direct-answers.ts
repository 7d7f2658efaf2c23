// Answers calls of a common form (common-form.ts) without the library, whose pipeline of generators, Headers and signals
// takes more CPU time than starting a process, and 25 KB for as long as a stream lasts. A message that is not as usual
// goes to the library with its bytes, so that there is one place that refuses messages.

import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { HEAD_BYTES, type NodeRequest, type NodeResponse } from "../../http/index.ts";
import { COPIES, envelopePieces } from "../body/request-body.ts";
import { createValueLimit } from "../body/value-limit.ts";
import { holdAnswer } from "../memory/answer-memory.ts";
import type { RequestMemory } from "../memory/request-memory.ts";
import { commonForm } from "./common-form.ts";
import { StreamAnswer, writeUnary, writeUnaryError } from "./direct-answer.ts";
import { DirectCall } from "./direct-call.ts";
import type { Answer, DirectMethod } from "./direct-method.ts";
import { envelopedMessages } from "./enveloped-messages.ts";
import { readSmallBody } from "./small-body.ts";

/** A SendInput of 64 KiB, in base64 also. A longer one takes more time to decode than the library takes. */
const MAX_BYTES = 128 * 1024;

export interface DirectOptions {
  readonly maxMessageBytes: number;
  readonly requestMs: number;
  readonly memory: RequestMemory;
}

/** A request that the library must answer. */
export interface HandOver {
  /** The body has been begun: this is all of it. */
  withBody(body: AsyncIterable<Uint8Array>): void;
  /** Ends a call that failed for a reason that is not the client's. */
  fail(error: unknown): void;
}

/** Returns false for a request that the library has to answer from its beginning. */
export function answerDirectly(
  direct: DirectMethod,
  request: NodeRequest,
  response: NodeResponse,
  { maxMessageBytes, requestMs, memory }: DirectOptions,
  handOver: HandOver,
): boolean {
  const form = commonForm(request, direct.path, direct.method);
  if (form === undefined) return false;
  const maxBytes = Math.min(MAX_BYTES, maxMessageBytes);
  // The library refuses a message that is too large by its length. It must not wait here for the body.
  if (direct.implementation.kind !== "client stream" && declaredBytes(request) > maxBytes) return false;
  // The response reports it also.
  request.on("error", () => undefined);
  const call = new DirectCall(request, response, direct, form, memory.open());
  const { implementation } = direct;
  if (implementation.kind === "client stream") {
    const body = request.iterator({ destroyOnReturn: false });
    const limits = { share: call.share, maxMessageBytes };
    const pieces = envelopePieces(body, direct.method, form.codec, limits);
    const messages = envelopedMessages(pieces, (bytes) => direct.decode(bytes, form.codec));
    void answerClientStream(call, implementation.call(messages, call)).catch(handOver.fail);
    return true;
  }
  const reserve = (bytes: number) => call.share.reserve(bytes, COPIES[form.codec]);
  const head = {
    headBytes: form.isStream ? HEAD_BYTES : 0,
    acceptsHead: (bytes: Uint8Array) => (lengthIn(bytes) ?? Number.POSITIVE_INFINITY) <= maxBytes,
  };
  readSmallBody(request, response, { maxBytes, limitMs: requestMs, ...head, reserve }, (body) => {
    // The client left before its message was complete.
    if (call.hasEnded) return;
    const message = body.kind === "whole" ? decodedMessage(body.bytes, call) : undefined;
    if (message !== undefined) {
      const answering =
        implementation.kind === "unary"
          ? answerUnary(call, implementation.call(message, call), memory)
          : answerServerStream(call, implementation.call(message, call));
      answering.catch(handOver.fail);
      return;
    }
    call.finish();
    // A thousand streams of one HTTP/2 connection can end with it, and the library takes 0.5 ms for each refusal.
    if (isAbandoned(request)) return;
    handOver.withBody(body.kind === "whole" ? only(body.bytes) : body.body);
  });
  return true;
}

/** Whether nobody waits for the answer. */
function isAbandoned(request: NodeRequest): boolean {
  return "stream" in request && request.stream.aborted;
}

/** 0 for a body whose length is not known before its end. */
function declaredBytes({ headers }: NodeRequest): number {
  return Number(headers["content-length"] ?? 0);
}

async function* only(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Undefined for everything that the library refuses, or understands in another way. */
function decodedMessage(body: Uint8Array, { form, direct, share }: DirectCall): Message | undefined {
  const bytes = form.isStream ? insideEnvelope(body) : body;
  if (bytes === undefined) return undefined;
  try {
    createValueLimit(direct.method, form.codec, share).add(bytes);
    return direct.decode(bytes, form.codec);
  } catch {
    // The library says what is wrong with it.
    return undefined;
  }
}

/** The message, if the body is one envelope without flags. */
function insideEnvelope(body: Uint8Array): Uint8Array | undefined {
  if (body.length < HEAD_BYTES) return undefined;
  return lengthIn(body) === body.length - HEAD_BYTES ? body.subarray(HEAD_BYTES) : undefined;
}

/** Of the message, as the head of an envelope says; undefined for an envelope with flags. */
function lengthIn(head: Uint8Array): number | undefined {
  return head[0] === 0 ? new DataView(head.buffer, head.byteOffset, HEAD_BYTES).getUint32(1) : undefined;
}

async function answerUnary(
  call: DirectCall,
  answering: Promise<Answer>,
  memory: RequestMemory,
): Promise<void> {
  try {
    const bytes = call.direct.encode(await answering, call.codec);
    await writeUnary(call, bytes, (sent) => holdAnswer(sent, call.response, memory));
  } catch (error) {
    await writeUnaryError(call, asConnectError(error));
  }
  call.finish();
}

async function answerServerStream(call: DirectCall, messages: AsyncIterable<Answer>): Promise<void> {
  const stream = new StreamAnswer(call);
  let failure: ConnectError | undefined;
  try {
    for await (const message of messages) {
      // The request is handled: nothing more of it arrives.
      call.share.close();
      await stream.write(call.direct.encode(message, call.codec));
    }
  } catch (error) {
    failure = asConnectError(error);
  }
  await stream.end(failure);
  call.finish();
}

async function answerClientStream(call: DirectCall, answering: Promise<Answer>): Promise<void> {
  const stream = new StreamAnswer(call);
  let failure: ConnectError | undefined;
  try {
    await stream.write(call.direct.encode(await answering, call.codec));
  } catch (error) {
    failure = asConnectError(error);
  }
  await stream.end(failure);
  call.finish();
}

function asConnectError(error: unknown): ConnectError {
  return error instanceof ConnectError ? error : new ConnectError("internal error", Code.Internal);
}
