// Decodes the text of JSON requests. A byte that is not UTF-8 is an error: replaced by U+FFFD, it would name another file.

import { MessageChannel } from "node:worker_threads";
import { Code, ConnectError } from "@connectrpc/connect";
import { collectBefore } from "./garbage.ts";

/** Smaller buffers are left to V8. */
const LARGE_BYTES = 1024 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true });

export const strictTextDecoder = {
  /** The bytes of a large message are gone afterwards: nothing else needs them, and the text takes as much memory again. */
  decode(bytes: Uint8Array): string {
    collectBefore(bytes.length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new ConnectError(
        "the JSON message is not valid UTF-8; send other bytes in application/proto",
        Code.InvalidArgument,
      );
    } finally {
      if (bytes.length >= LARGE_BYTES && bytes.length === bytes.buffer.byteLength) release(bytes.buffer);
    }
  },
};

/** Frees the memory of `buffer` now. (ArrayBuffer.transfer exists from Node 22 on.) */
function release(buffer: ArrayBufferLike): void {
  if (!(buffer instanceof ArrayBuffer)) return;
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(undefined, [buffer]);
  port1.close();
}
