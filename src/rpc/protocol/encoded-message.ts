// The one message of an answer, encoded by its handler in parts. For messages that the library would encode in one go,
// and so stop everything else for a second. The library answers an empty message; its bytes are replaced here.

import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { envelopeHead, HEAD_BYTES } from "../../http/index.ts";

export interface EncodedMessage {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

/** `isEnveloped`: the protocol is gRPC or gRPC-web. For a unary call that succeeded. */
export function withEncodedMessage(
  answer: UniversalServerResponse,
  message: EncodedMessage,
  isEnveloped: boolean,
): UniversalServerResponse {
  const { body } = answer;
  if (body === undefined) return answer;
  if (isEnveloped) return { ...answer, body: replaceFirstEnvelope(body, message) };
  const header = new Headers(answer.header);
  header.set("Content-Length", String(message.bytes));
  return { ...answer, header, body: iterate(message.parts) };
}

async function* replaceFirstEnvelope(
  body: AsyncIterable<Uint8Array>,
  message: EncodedMessage,
): AsyncGenerator<Uint8Array, void, void> {
  let head = Buffer.alloc(0);
  let restBytes: number | undefined;
  for await (const chunk of body) {
    if (restBytes === 0) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < HEAD_BYTES) continue;
    restBytes = HEAD_BYTES + head.readUInt32BE(1);
    if (head.length < restBytes) continue;
    yield* iterate(envelopedParts(message));
    if (head.length > restBytes) yield head.subarray(restBytes);
    restBytes = 0;
  }
}

function envelopedParts({ parts, bytes }: EncodedMessage): readonly Uint8Array[] {
  return [envelopeHead(0, bytes), ...parts];
}

async function* iterate(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
  for (const part of parts) yield part;
}
