// What the agent holds for a body does not grow with the number of its pieces.

import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { timely } from "../../../src/control/uploads/upload-body.ts";
import type { NodeRequest } from "../../../src/http/index.ts";
import { heapBytes } from "../../support/heap-bytes.ts";

const PIECES = 200_000;
/** Of a promise that each wait leaves behind, it would be 12 MB and more. */
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
    if (count === 1_000) before = heapBytes();
    if (count === PIECES) expect(heapBytes() - before).toBeLessThan(MOST_BYTES);
  }
  expect(count).toBe(PIECES);
});
