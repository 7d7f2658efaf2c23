// Reads and writes by descriptor, on threads of libuv's pool. Each function does all that it is asked for.

import { close, ftruncate, read, write, writev } from "node:fs";
import { promisify } from "node:util";

export const truncateFile: (fd: number, bytes: number) => Promise<void> = promisify(ftruncate);
/** An error of close is an error of the writes before it (NFS, quotas). */
export const closeFile: (fd: number) => Promise<void> = promisify(close);

/** Returns fewer bytes than `buffer` has only at the end of the file. */
export async function readAt(fd: number, buffer: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const bytes = await readOnce(fd, filled === 0 ? buffer : buffer.subarray(filled), position + filled);
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled;
}

function readOnce(fd: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, position, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    );
  });
}

async function writeAt(fd: number, buffer: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < buffer.length; ) done += await writeOnce(fd, buffer, done, position + done);
}

function writeOnce(fd: number, buffer: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, buffer, from, buffer.length - from, position, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    );
  });
}

/** Writes all of `chunks` one after the other. */
export async function writeAllAt(fd: number, chunks: readonly Uint8Array[], position: number): Promise<void> {
  const total = chunks.reduce((sum, { length }) => sum + length, 0);
  const written = await new Promise<number>((resolve, reject) => {
    writev(fd, chunks, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
  // A full disk or a limit accepts a part; the next write says why.
  if (written < total) await writeAt(fd, Buffer.concat(chunks).subarray(written), position + written);
}
