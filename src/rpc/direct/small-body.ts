// Reads the body of a request whose single message is short, without a promise or an iterator for each piece. A longer
// body is passed on to the library: the bytes that were read, and the rest. So is one whose first bytes the library
// refuses: its client must not have to send the rest before it gets the answer.

import type { NodeRequest, NodeResponse } from "../../http/index.ts";
import { failAtLimit, limitTime } from "../body/timely-body.ts";

/** A piece takes 400 bytes beside its own: more than so many are joined. */
const MAX_PIECES = 64;

export type SmallBody =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  /** The body is too long, the memory has no room for it, or its head is refused. */
  | { readonly kind: "other"; readonly body: AsyncIterable<Uint8Array> };

export interface SmallBodyOptions {
  readonly maxBytes: number;
  /** How long the request may take to arrive; afterwards it is answered. */
  readonly limitMs: number;
  /** The first bytes, which `acceptsHead` is called with once they have arrived. 0: none. */
  readonly headBytes: number;
  readonly acceptsHead: (head: Uint8Array) => boolean;
  /** Called before each piece is held. Its exceptions are ignored, because the library will find the same. */
  readonly reserve: (bytes: number) => void;
}

/** `onBody` is called once, in this turn if everything has arrived, and never for a client that leaves before. */
export function readSmallBody(
  request: NodeRequest,
  response: NodeResponse,
  { maxBytes, limitMs, headBytes, acceptsHead, reserve }: SmallBodyOptions,
  onBody: (body: SmallBody) => void,
): void {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let isHeadKnown = headBytes === 0;
  const isHeadRefused = (): boolean => {
    if (isHeadKnown || bytes < headBytes) return false;
    isHeadKnown = true;
    return !acceptsHead(joined(pieces).subarray(0, headBytes));
  };
  /** Takes the bytes that have arrived. Returns false at the first piece that is too much. */
  const take = (): boolean => {
    for (let piece = request.read(); piece !== null; piece = request.read()) {
      pieces.push(piece);
      bytes += piece.length;
      if (pieces.length > MAX_PIECES) pieces.push(Buffer.concat(pieces.splice(0)));
      if (bytes > maxBytes || !canReserve(reserve, piece.length) || isHeadRefused()) return false;
    }
    return true;
  };
  const whole = (): SmallBody => ({ kind: "whole", bytes: joined(pieces) });
  // Over HTTP/2 `complete` says less: there the body always comes by events.
  if (!("stream" in request) && request.complete) {
    onBody(take() ? whole() : { kind: "other", body: resumed(pieces, request) });
    return;
  }
  const isLate = limitTime(request, response, limitMs);
  const finish = (body: SmallBody): void => {
    request.off("readable", onReadable).off("end", onEnd);
    if (!isLate()) onBody(body);
  };
  const onReadable = (): void => {
    if (!take()) finish({ kind: "other", body: failAtLimit(resumed(pieces, request), () => isLate) });
  };
  const onEnd = (): void => finish(whole());
  request.on("readable", onReadable).on("end", onEnd);
}

function canReserve(reserve: (bytes: number) => void, bytes: number): boolean {
  try {
    reserve(bytes);
    return true;
  } catch {
    return false;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
}

async function* resumed(pieces: readonly Uint8Array[], request: NodeRequest): AsyncIterable<Uint8Array> {
  yield* pieces;
  // Not destroyed if the reader stops: over HTTP/1.1 that would close the connection before the answer is sent.
  yield* request.iterator({ destroyOnReturn: false });
}
