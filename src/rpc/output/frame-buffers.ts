// Buffers for the JSON frames of long output. A frame is a copy of its output and lives only until its connection has accepted
// it. As a string it would be copied again by libuv, into memory that the kernel maps and clears for each frame.

import { noteAllocated } from "../memory/resident-memory.ts";

/** For 64 KiB of output in base64. */
const FRAME_BYTES = 88 * 1024;
/** One for each stream that floods; 704 KiB together. */
const MOST_SPARE = 8;
/** Output is encoded in pieces of this length, because V8 allocates the memory of each piece. Divisible by three. */
const PIECE_BYTES = 24 * 1024;

const spare: Buffer[] = [];
const pooled = new WeakSet<Buffer>();

/** `data` in base64, in a buffer that the caller may return with `returnFrameBuffer`. */
export function pooledBase64(data: Buffer): Buffer {
  const bytes = base64Bytes(data);
  if (bytes > FRAME_BYTES) return ownBase64(data);
  const copy = (spare.pop() ?? allocated(FRAME_BYTES)).subarray(0, bytes);
  pooled.add(copy);
  return encode(data, copy);
}

/** The same in a buffer of its own. */
export function ownBase64(data: Buffer): Buffer {
  return encode(data, allocated(base64Bytes(data)));
}

function allocated(bytes: number): Buffer {
  noteAllocated(bytes);
  return Buffer.allocUnsafeSlow(bytes);
}

function base64Bytes(data: Buffer): number {
  return 4 * Math.ceil(data.length / 3);
}

function encode(data: Buffer, copy: Buffer): Buffer {
  let at = 0;
  for (let from = 0; from < data.length; from += PIECE_BYTES)
    at += copy.write(data.toString("base64", from, from + PIECE_BYTES), at, "latin1");
  return copy;
}

/** Whether `part` came from `pooledBase64`, and was not given back. */
export function isPooled(part: Buffer): boolean {
  return pooled.has(part);
}

/** Nothing may read `part` afterwards. Other buffers are left to the garbage collector. */
export function returnFrameBuffer(part: Buffer): void {
  if (pooled.delete(part) && spare.length < MOST_SPARE) spare.push(Buffer.from(part.buffer));
}
