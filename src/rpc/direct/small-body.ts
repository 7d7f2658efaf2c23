// Reads the body of a request whose single message is short, without a promise or an iterator for each piece. A longer
// body is passed on where it is, for the library: what was read, and what follows.

import type { NodeRequest, NodeResponse } from "../../http/index.ts";
import { failAtLimit, limitTime } from "../timely-body.ts";

export type SmallBody =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  /** It is longer than asked for. */
  | { readonly kind: "longer"; readonly body: AsyncIterable<Uint8Array> };

export interface SmallBodyOptions {
  readonly maxBytes: number;
  /** How long the request may take to arrive; afterwards it is answered. */
  readonly limitMs: number;
}

/** `onBody` is called once, in this turn if everything has arrived, and never for a client that leaves before. */
export function readSmallBody(
  request: NodeRequest,
  response: NodeResponse,
  { maxBytes, limitMs }: SmallBodyOptions,
  onBody: (body: SmallBody) => void,
): void {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const take = (): void => {
    for (let piece = request.read(); bytes <= maxBytes && piece !== null; ) {
      pieces.push(piece);
      bytes += piece.length;
      piece = bytes > maxBytes ? null : request.read();
    }
  };
  // Over HTTP/2 `complete` says less: there the body always comes by events.
  if (!("stream" in request) && request.complete) {
    take();
    if (bytes <= maxBytes) onBody({ kind: "whole", bytes: joined(pieces) });
    else onBody({ kind: "longer", body: resumed(pieces, request) });
    return;
  }
  const isLate = limitTime(request, response, limitMs);
  const finish = (body: SmallBody): void => {
    request.off("readable", onReadable).off("end", onEnd);
    if (!isLate()) onBody(body);
  };
  const onReadable = (): void => {
    take();
    if (bytes <= maxBytes) return;
    finish({ kind: "longer", body: failAtLimit(resumed(pieces, request), () => isLate) });
  };
  const onEnd = (): void => finish({ kind: "whole", bytes: joined(pieces) });
  request.on("readable", onReadable).on("end", onEnd);
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
