// Decompresses messages of requests. Each piece is counted before it is kept, and few messages are decompressed at a time:
// a decoder holds up to 16 MiB of its own, and each uses a thread of libuv's pool.

import { createBrotliDecompress, createGunzip } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageOf } from "../../text.ts";
import type { RequestShare } from "../memory/request-memory.ts";

/** The compressions that are decompressed here; others are refused by the library. */
export type Compression = "gzip" | "br";

const MAX_AT_A_TIME = 2;
const PIECE_BYTES = 64 * 1024;

export interface DecompressionOptions {
  readonly share: Pick<RequestShare, "reserve">;
  readonly maxMessageBytes: number;
}

export function compressionNamed(name: string): Compression | undefined {
  return name === "gzip" || name === "br" ? name : undefined;
}

/**
 * Returns the decompressed bytes of `compressed`. Throws `resource_exhausted` if they exceed `maxMessageBytes` or the memory
 * for requests, and `invalid_argument` for malformed data.
 */
export async function decompress(
  compression: Compression,
  compressed: readonly Uint8Array[],
  options: DecompressionOptions,
): Promise<readonly Uint8Array[]> {
  if (compressed.every(({ length }) => length === 0)) return [];
  await turn();
  try {
    return await run(compression, compressed, options);
  } finally {
    endTurn();
  }
}

let running = 0;
const waiting: (() => void)[] = [];

function turn(): Promise<void> {
  if (running < MAX_AT_A_TIME) {
    running++;
    return Promise.resolve();
  }
  return new Promise((resolve) => waiting.push(resolve));
}

function endTurn(): void {
  const next = waiting.shift();
  if (next === undefined) running--;
  else next();
}

function run(
  compression: Compression,
  compressed: readonly Uint8Array[],
  { share, maxMessageBytes }: DecompressionOptions,
): Promise<readonly Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const settings = { chunkSize: PIECE_BYTES };
    const decoder = compression === "gzip" ? createGunzip(settings) : createBrotliDecompress(settings);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    decoder.on("data", (piece: Buffer) => {
      try {
        bytes += piece.length;
        if (bytes > maxMessageBytes) throw tooLarge(maxMessageBytes);
        share.reserve(piece.length);
        pieces.push(piece);
      } catch (error) {
        decoder.destroy();
        reject(error);
      }
    });
    decoder.on("error", (error) => reject(malformed(compression, error)));
    decoder.on("end", () => resolve(pieces));
    for (const piece of compressed) decoder.write(piece);
    decoder.end();
  });
}

function tooLarge(maxBytes: number): ConnectError {
  return new ConnectError(
    `the message is larger than the limit after decompression (${maxBytes} bytes; --max-message)`,
    Code.ResourceExhausted,
  );
}

function malformed(compression: Compression, error: Error): ConnectError {
  return new ConnectError(
    `the message is not valid ${compression === "br" ? "brotli" : compression} data: ${messageOf(error)}`,
    Code.InvalidArgument,
  );
}
