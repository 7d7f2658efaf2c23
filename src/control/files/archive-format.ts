// The formats of directories: tar, tar.gz and tar.zst.

import * as zlib from "node:zlib";
import { HoldfastError } from "../../errors.ts";
import type { Query } from "../../http/index.ts";
import { clip, messageOf } from "../../text.ts";
import { ExpansionLimit } from "../uploads/expansion-limit.ts";

export type ArchiveFormat = "tar" | "tar.gz" | "tar.zst";

const formats: readonly string[] = ["tar", "tar.gz", "tar.zst"];
const GZIP_LEVEL = 1;

/** Undefined for a request about a file. */
export function archiveFormat(query: Query): ArchiveFormat | undefined {
  const value = query.text("format");
  if (value === undefined || value === "") return undefined;
  if (!formats.includes(value))
    throw new HoldfastError("invalid_argument", `format is tar, tar.gz or tar.zst, not "${clip(value)}"`);
  if (value === "tar.zst" && zstd() === undefined)
    throw new HoldfastError("invalid_argument", `Node ${process.version} has no zstd; use format=tar.gz`);
  return value as ArchiveFormat;
}

type Codec = NodeJS.ReadWriteStream & { destroy(error?: Error): unknown };

interface Zstd {
  readonly createZstdCompress: () => Codec;
  readonly createZstdDecompress: () => Codec;
}

/** Node has it from 22.15 on. */
function zstd(): Zstd | undefined {
  return "createZstdCompress" in zlib ? (zlib as unknown as Zstd) : undefined;
}

export function mediaTypeOf(format: ArchiveFormat): string {
  return { tar: "application/x-tar", "tar.gz": "application/gzip", "tar.zst": "application/zstd" }[format];
}

export async function* compressed(
  format: ArchiveFormat,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const encoder =
    format === "tar.gz"
      ? zlib.createGzip({ level: GZIP_LEVEL })
      : format === "tar.zst"
        ? zstd()?.createZstdCompress()
        : undefined;
  if (encoder === undefined) return yield* pieces;
  yield* through(encoder, pieces, (error) => error);
}

export async function* decompressed(
  format: ArchiveFormat,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const decoder =
    format === "tar.gz"
      ? zlib.createGunzip()
      : format === "tar.zst"
        ? zstd()?.createZstdDecompress()
        : undefined;
  if (decoder === undefined) return yield* pieces;
  const limit = new ExpansionLimit();
  const arriving = counted(pieces, (bytes) => limit.noteReceived(bytes));
  const describe = (error: unknown) =>
    new HoldfastError("invalid_argument", `the body is not valid ${format} data: ${messageOf(error)}`);
  yield* counted(through(decoder, arriving, describe), (bytes) => limit.noteProduced(bytes));
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  note: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of pieces) {
    note(piece.length);
    yield piece;
  }
}

/** Passes `pieces` through a codec. An error of `pieces` is thrown as it is, one of the codec as `describe` has it. */
async function* through(
  codec: Codec,
  pieces: AsyncIterable<Uint8Array>,
  describe: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void, void> {
  let failure: { readonly error: unknown } | undefined;
  const feed = async () => {
    for await (const piece of pieces) {
      if (codec.write(piece)) continue;
      await new Promise<void>((resolve) => {
        const proceed = () => {
          codec.removeListener("drain", proceed);
          codec.removeListener("close", proceed);
          resolve();
        };
        codec.on("drain", proceed);
        codec.on("close", proceed);
      });
    }
    codec.end();
  };
  codec.on("error", () => {
    // The loop below throws it; this keeps one that comes after the loop from ending the agent.
  });
  const feeding = feed().catch((error: unknown) => {
    failure = { error };
    codec.destroy();
  });
  try {
    yield* codec as AsyncIterable<Buffer>;
    await feeding;
  } catch (error) {
    throw failure === undefined ? describe(error) : failure.error;
  } finally {
    codec.destroy();
  }
  if (failure !== undefined) throw failure.error;
}
