// Writes the result of a call that is answered directly: the bytes, the headers and the errors are
// those of the library (test/rpc/direct compares them).
//
//   unary    message, or the error as JSON with its status
//   stream   | 0 | length, 4 bytes big-endian | message |  ...  | 2 | length | end of stream: {} or {"error":…} |

import type { Writable } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, endStreamToJson, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { COMPRESSED_FLAG, END_STREAM_FLAG, enveloped, type Refusal, refuse } from "../../http/index.ts";
import { COMPRESSED_FROM_BYTES } from "../protocol/answer-compression.ts";
import { replacementOf } from "../protocol/error-answer.ts";
import type { DirectCall } from "./direct-call.ts";

const OK_STATUS = 200;

/** `hold` counts the bytes that are sent, or says what to answer instead. */
export async function writeUnary(
  call: DirectCall,
  message: Uint8Array,
  hold: (bytes: number) => Refusal | undefined,
): Promise<void> {
  const { headers, body } = await compressed(call, call.form.contentType, message);
  const noRoom = hold(body.length);
  if (noRoom === undefined) endWith(call, OK_STATUS, headers, body);
  else refuse(call.request, call.response, noRoom);
}

/** Of a unary call. */
export async function writeUnaryError(call: DirectCall, error: ConnectError): Promise<void> {
  const { request, response, answerHeaders } = call;
  const replacement = replacementOf({ code: error.code, message: error.rawMessage }, answerHeaders);
  if (replacement === undefined)
    await writeBody(
      call,
      codeToHttpStatus(error.code),
      "application/json",
      errorToJsonBytes(error, undefined),
    );
  else if (!response.destroyed && !response.headersSent) refuse(request, response, replacement);
}

async function writeBody(
  call: DirectCall,
  status: number,
  contentType: string,
  message: Uint8Array,
): Promise<void> {
  const { headers, body } = await compressed(call, contentType, message);
  endWith(call, status, headers, body);
}

/** `message` as it is sent, and its headers. */
async function compressed(
  { form: { compression }, answerHeaders }: DirectCall,
  contentType: string,
  message: Uint8Array,
) {
  const headers = { ...answerHeaders, "content-type": contentType };
  if (compression === undefined || message.length < COMPRESSED_FROM_BYTES) return { headers, body: message };
  return {
    headers: { ...headers, "content-encoding": compression.name },
    body: await compression.compress(message),
  };
}

function endWith(
  { response }: DirectCall,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, sorted({ ...headers, "content-length": String(body.length) }));
  response.end(body);
}

/** The answer of a call whose output is a stream. */
export class StreamAnswer {
  readonly #call: DirectCall;

  constructor(call: DirectCall) {
    this.#call = call;
  }

  get hasBegun(): boolean {
    return this.#call.response.headersSent;
  }

  /** Sends the headers before the first message. */
  async write(message: Uint8Array): Promise<void> {
    const frame = await this.#frame(0, message);
    this.#begin();
    const response: Writable = this.#call.response;
    if (!response.destroyed) response.write(frame);
  }

  async end(error?: ConnectError): Promise<void> {
    const { request, response, answerHeaders } = this.#call;
    if (error !== undefined && !this.hasBegun) {
      const replacement = replacementOf({ code: error.code, message: error.rawMessage }, answerHeaders);
      if (replacement !== undefined && !response.destroyed) refuse(request, response, replacement);
      if (replacement !== undefined) return;
    }
    const text =
      error === undefined ? "{}" : JSON.stringify(endStreamToJson(new Headers(), error, undefined));
    const frame = await this.#frame(END_STREAM_FLAG, Buffer.from(text));
    this.#begin();
    if (!response.destroyed) response.end(frame);
  }

  #begin(): void {
    const { response, form, answerHeaders } = this.#call;
    if (response.destroyed || response.headersSent) return;
    const encoding = form.compression && { "connect-content-encoding": form.compression.name };
    response.writeHead(
      OK_STATUS,
      sorted({ ...answerHeaders, ...encoding, "content-type": form.contentType }),
    );
  }

  async #frame(flags: number, message: Uint8Array): Promise<Buffer> {
    const { compression } = this.#call.form;
    if (compression === undefined || message.length < COMPRESSED_FROM_BYTES) return enveloped(flags, message);
    return enveloped(flags | COMPRESSED_FLAG, await compression.compress(message));
  }
}

/** The library keeps headers in a `Headers`, which sorts them. */
function sorted(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).sort(([one], [other]) => (one < other ? -1 : 1)));
}
