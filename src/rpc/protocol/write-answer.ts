// Writes an answer of the library to its response. Output does not come this way (output/attached-stream.ts), so what does
// is short or complete. It is passed to the connection at once as far as possible: an answer that is written completely
// survives an upgrade, also while its client does not read it (src/http/connection/written-answers.ts).

import { once } from "node:events";
import type { Writable } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { NodeResponse } from "../../http/index.ts";

/** Messages of a stream that are written before the connection has accepted what was written earlier, in bytes. */
const MAX_AHEAD_BYTES = 64 * 1024;

/**
 * `isStream`: the answer can have any number of messages, so a client that does not read makes them wait. Resolves when all
 * of it is written. Rejects with the reason if the answer fails, and with `aborted` if the client leaves.
 */
export async function writeAnswer(
  { status, header, body, trailer }: UniversalServerResponse,
  response: NodeResponse,
  isStream: boolean,
): Promise<void> {
  const pieces = body?.[Symbol.asyncIterator]();
  try {
    // Handlers set headers until their first message.
    let piece = await pieces?.next();
    if (response.destroyed) throw new ConnectError("the client left", Code.Aborted);
    response.writeHead(status, header && Object.fromEntries(header));
    const writable: Writable = response;
    let ahead = 0;
    while (pieces !== undefined && piece?.done === false) {
      ahead = writable.write(piece.value) ? 0 : ahead + piece.value.length;
      if (isStream && ahead > MAX_AHEAD_BYTES) {
        await drained(writable);
        ahead = 0;
      }
      piece = await pieces.next();
      if (writable.destroyed) throw new ConnectError("the client left", Code.Aborted);
    }
    if (trailer !== undefined) response.addTrailers(Object.fromEntries(trailer));
    response.end();
  } finally {
    void pieces?.return?.().catch(() => undefined);
  }
}

/** Rejects if the connection closes first. */
async function drained(response: Writable): Promise<void> {
  const closed = new AbortController();
  const onClose = () => closed.abort();
  response.once("close", onClose);
  try {
    await once(response, "drain", { signal: closed.signal });
  } catch (cause) {
    throw new ConnectError("the client left", Code.Aborted, undefined, undefined, cause);
  } finally {
    response.off("close", onClose);
  }
}
