// The bytes that were written to a connection and that the kernel has not accepted. Node says only how many they are; the
// next image of the agent must write them (src/handover).
//
//   written      | accepted by the kernel | rest of the batch under way | batches that wait in Node |
//                                           writeQueueSize                getBuffer()

import type { Socket } from "node:net";

interface Written {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

/** What Node has passed to libuv last, until that has written it. */
const batches = new WeakMap<Socket, readonly Written[]>();
const followed = new WeakSet<Socket>();

/** Call it before the first write to `socket`; a second call does nothing. It costs one call per write of libuv. */
export function followWrites(socket: Socket): void {
  if (followed.has(socket)) return;
  followed.add(socket);
  const write = socket._write;
  const writev = socket._writev;
  const follow = (batch: readonly Written[], onWritten: (error?: Error | null) => void) => {
    batches.set(socket, batch);
    return (error?: Error | null) => {
      batches.delete(socket);
      onWritten(error);
    };
  };
  socket._write = (chunk: Buffer | string, encoding, onWritten) =>
    write.call(socket, chunk, encoding, follow([{ chunk, encoding }], onWritten));
  if (writev !== undefined)
    socket._writev = (chunks, onWritten) => writev.call(socket, chunks, follow(chunks, onWritten));
}

/** Undefined if they cannot be known. */
export function unsentOn(socket: Socket): Buffer | undefined {
  if (socket.writableLength === 0) return Buffer.alloc(0);
  const batch = batches.get(socket) ?? [];
  const waiting = waitingIn(socket);
  if (lengthOf(batch) + lengthOf(waiting) !== socket.writableLength) return undefined;
  const underWay = bytesOf(batch);
  const unwritten = queuedBytes(socket);
  if (unwritten === undefined || unwritten > underWay.length) return undefined;
  return Buffer.concat([underWay.subarray(underWay.length - unwritten), bytesOf(waiting)]);
}

/** As Node counts it: the characters of a text, and a batch until all of it is written. */
function lengthOf(written: readonly Written[]): number {
  return written.reduce((sum, { chunk }) => sum + chunk.length, 0);
}

/** Of the batch under way. */
function queuedBytes(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const bytes: unknown = Reflect.get(handle, "writeQueueSize");
  return typeof bytes === "number" ? bytes : undefined;
}

interface WritableState {
  getBuffer?: () => readonly Written[];
}

function waitingIn(socket: Socket): readonly Written[] {
  const state = Reflect.get(socket, "_writableState") as WritableState | undefined;
  return state?.getBuffer?.() ?? [];
}

function bytesOf(written: readonly Written[]): Buffer {
  return Buffer.concat(
    written.map(({ chunk, encoding }) => (typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk)),
  );
}
