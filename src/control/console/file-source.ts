// Where the console's files are: in the folder that the build wrote, or in the assets of the
// executable. Each is read when a request asks for it, and is not kept.

import { open } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../errors.ts";

export interface FileSource {
  /** The content of a small file. Throws `not_found`. */
  readText(name: string): Promise<string>;
  /** Throws `not_found`. Each chunk is valid until the next one is asked for. */
  open(name: string): Promise<OpenedFile>;
}

export interface OpenedFile {
  readonly bytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Names are from the manifest; still, none may lead out of the folder. */
export function isFileName(name: string): boolean {
  return /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(name) && name.length <= 200;
}

const CHUNK_BYTES = 64 * 1024;

export function folderSource(folder: string): FileSource {
  const openFile = async (name: string) => {
    if (!isFileName(name)) throw missing(name);
    try {
      return await open(join(folder, name), "r");
    } catch (cause) {
      throw missing(name, cause);
    }
  };
  return {
    readText: async (name) => {
      const file = await openFile(name);
      try {
        return await file.readFile("utf8");
      } finally {
        await file.close();
      }
    },
    open: async (name) => {
      const file = await openFile(name);
      const { size } = await file.stat();
      return { bytes: size, chunks: chunksOf(file), close: () => file.close() };
    },
  };
}

/** One buffer for all of them: the next one is read when the connection has accepted the last one. */
async function* chunksOf(file: Awaited<ReturnType<typeof open>>): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Assets are views of the executable's own memory: reading them copies nothing. */
export function assetSource(read: (name: string) => ArrayBuffer | undefined): FileSource {
  const bytesOf = (name: string) => {
    const asset = isFileName(name) ? read(name) : undefined;
    if (asset === undefined) throw missing(name);
    return new Uint8Array(asset);
  };
  return {
    readText: async (name) => Buffer.from(bytesOf(name)).toString(),
    open: async (name) => {
      const bytes = bytesOf(name);
      const pieces = function* () {
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
      };
      return {
        bytes: bytes.length,
        chunks: (async function* () {
          yield* pieces();
        })(),
        close: async () => undefined,
      };
    },
  };
}

function missing(name: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    "not_found",
    `the console's file "${name}" is missing from this installation; npm run build writes it`,
    { cause },
  );
}
