// Buffers for output that are used again. New ones cost half of what a flood costs: the kernel clears their pages, and V8, which
// sees of them only that memory grows, collects garbage 20 times a second for their sake.

/** Shorter ones are not worth it: they are made to measure, so that a thousand quiet processes hold little. */
const LEAST_BYTES = 4096;
/**
 * With how many of each are kept for the next flood, 3 MiB together: about what one process holds by default, replay and
 * window. Few sizes, so that what one kind of output leaves serves the next.
 */
const sizes = [
  { bytes: 8 * 1024, most: 16 },
  { bytes: 16 * 1024, most: 16 },
  { bytes: 32 * 1024, most: 16 },
  { bytes: 64 * 1024, most: 32 },
].map((size) => ({ ...size, spare: [] as Buffer[] }));

/** Those that are out, by their memory: what comes from elsewhere, or a second time, is not taken back. */
const out = new WeakSet<ArrayBufferLike>();

/** A buffer of at least `bytes`, not cleared, whose memory is all its own. Who has it may give it back, or lose it. */
export function takeBuffer(bytes: number): Buffer {
  const size = bytes < LEAST_BYTES ? undefined : sizes.find((size) => bytes <= size.bytes);
  if (size === undefined) return Buffer.allocUnsafeSlow(bytes);
  const buffer = size.spare.pop() ?? Buffer.allocUnsafeSlow(size.bytes);
  out.add(buffer.buffer);
  return buffer;
}

/** A copy of `data` at the beginning of such a buffer, with nothing behind it. */
export function takeCopy(data: Buffer): Buffer {
  const buffer = takeBuffer(data.length);
  buffer.set(data);
  return buffer.subarray(0, data.length);
}

/** Takes back the buffer that `data` lies in, if it came from here. Nobody may look at it any more. */
export function giveBack(data: Buffer): void {
  if (!out.delete(data.buffer)) return;
  const size = sizes.find((size) => size.bytes === data.buffer.byteLength);
  if (size !== undefined && size.spare.length < size.most) size.spare.push(Buffer.from(data.buffer));
}
