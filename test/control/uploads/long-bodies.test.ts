// What the agent holds for a body does not grow with the number of its pieces.

import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { timely } from "../../../src/control/uploads/upload-body.ts";
import type { NodeRequest } from "../../../src/http/index.ts";
import { heapBytes } from "../../support/heap-bytes.ts";

const PIECES = 200_000;
/** A promise that each wait of the second half leaves behind would make it 6 MB and more. */
const MOST_BYTES = 4_000_000;

async function* pieces(count: number, piece: Buffer): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) {
    // As from a connection. Without it, the ticks of streams would wait for the last piece.
    if (i % 64 === 0) await setImmediate();
    yield piece;
  }
}

test("waiting for 200,000 pieces of a body leaves nothing behind", async () => {
  const request = Readable.from(pieces(PIECES, Buffer.from("x"))) as unknown as NodeRequest;
  let before = 0;
  let count = 0;
  for await (const piece of timely(request, 60_000)) {
    count += piece.length;
    // After as many as let V8 compile everything: that alone takes up to 2 MB, once.
    if (count === PIECES / 2) before = heapBytes();
    if (count === PIECES) expect(heapBytes() - before).toBeLessThan(MOST_BYTES);
  }
  expect(count).toBe(PIECES);
});
