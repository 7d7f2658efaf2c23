// A pool of reusable output buffers. Allocating new ones is half of the cost of a flood: the kernel
// clears their pages, and V8, which only sees that memory grows, collects garbage 20 times a
// second. docs/background/buffers.md names the owner of each buffer.

/** Shorter buffers are allocated to size, so that a thousand quiet processes hold little. */
const LEAST_BYTES = 4096;
/**
 * The pool keeps up to `most` buffers of each size for the next flood, 3 MiB together: about what one
 * process holds by default, replay and window. There are few sizes, so that buffers of one kind of
 * output fit the next kind.
 */
const sizes = [
  { bytes: 8 * 1024, most: 16 },
  { bytes: 16 * 1024, most: 16 },
  { bytes: 32 * 1024, most: 16 },
  { bytes: 64 * 1024, most: 32 },
].map((size) => ({ ...size, spare: [] as Buffer[] }));

/**
 * The buffers in use, by their memory. The pool refuses a buffer that it did not hand out, and a
 * buffer that is returned twice.
 */
const inUse = new WeakSet<ArrayBufferLike>();

let onAllocated: (bytes: number) => void = () => undefined;

/**
 * `listener` is called for each buffer that the pool has to allocate, because no spare one is there. Buffers below 4 KiB and above
 * 64 KiB are not reported.
 */
export function watchAllocations(listener: (bytes: number) => void): void {
  onAllocated = listener;
}

/**
 * Returns a buffer of at least `bytes`, not cleared, whose memory it shares with nothing else. The
 * caller returns it with `giveBack`, or leaves it to the garbage collector.
 */
export function takeBuffer(bytes: number): Buffer {
  const size = bytes < LEAST_BYTES ? undefined : sizes.find((size) => bytes <= size.bytes);
  const buffer =
    size === undefined ? Buffer.allocUnsafeSlow(bytes) : (size.spare.pop() ?? allocated(size.bytes));
  inUse.add(buffer.buffer);
  return buffer;
}

function allocated(bytes: number): Buffer {
  onAllocated(bytes);
  return Buffer.allocUnsafeSlow(bytes);
}

/** A copy of `data` at the start of a pool buffer; the rest of that buffer is free. */
export function takeCopy(data: Buffer): Buffer {
  const buffer = takeBuffer(data.length);
  buffer.set(data);
  return buffer.subarray(0, data.length);
}

/** The size of the pool buffer that contains `data`, or the length of `data` if it is not in a pool buffer. */
export function bufferBytes(data: Buffer): number {
  return inUse.has(data.buffer) ? data.buffer.byteLength : data.length;
}

/** Returns the buffer that contains `data` to the pool, if it came from there. Nothing may read it afterwards. */
export function giveBack(data: Buffer): void {
  if (!inUse.delete(data.buffer)) return;
  const size = sizes.find((size) => size.bytes === data.buffer.byteLength);
  if (size !== undefined && size.spare.length < size.most) size.spare.push(Buffer.from(data.buffer));
}
