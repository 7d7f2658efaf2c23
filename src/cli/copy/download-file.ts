// One file of the agent becomes a file of this machine, or goes to stdout. A file is written under
// another name in the same directory, and replaces its target when it is complete: a failure leaves
// the old file and no other.

import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FileDownload } from "../../client/index.ts";
import { onThisMachine, remoteProblem } from "../files/file-problem.ts";
import { writeOut } from "../report/report.ts";
import type { TransferContext } from "./transfer-context.ts";

export interface LocalTarget {
  readonly path: string;
  /** A device or a FIFO, which is written to and not replaced. */
  readonly isSpecial: boolean;
  /** A symbolic link is replaced itself, and not its target. */
  readonly replacesLink?: boolean;
}

/** Resolves with the number of bytes. */
export async function downloadFile(
  context: TransferContext,
  from: string,
  to: LocalTarget,
  mode: number,
): Promise<number> {
  const download = await start(context, from);
  if (to.isSpecial) {
    const file = await onThisMachine("write", to.path, () => open(to.path, "w"));
    try {
      return await writeAll(download, file, from, to.path);
    } finally {
      await file.close();
    }
  }
  return await replaceFile(to, mode, (file) => writeAll(download, file, from, to.path));
}

/** Resolves with the number of bytes. */
export async function downloadToStdout(context: TransferContext, from: string): Promise<number> {
  let bytes = 0;
  for await (const piece of piecesOf(await start(context, from), from)) {
    await writeOut(process.stdout, piece);
    bytes += piece.length;
  }
  return bytes;
}

async function start({ client, view, signal }: TransferContext, from: string): Promise<FileDownload> {
  try {
    return await client.files.download(from, {
      signal,
      onProgress: ({ transferredBytes }) => view.moved(transferredBytes),
      onReconnect: view.reconnecting,
    });
  } catch (error) {
    throw remoteProblem(error, from);
  }
}

/** An error of the loop's own body is not one of the download. */
async function* piecesOf(download: FileDownload, from: string): AsyncGenerator<Uint8Array, void, void> {
  const pieces = download[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await pieces.next().catch((error: unknown) => {
        throw remoteProblem(error, from);
      });
      if (done === true) return;
      yield value;
    }
  } finally {
    download.cancel();
  }
}

async function writeAll(
  download: FileDownload,
  file: FileHandle,
  from: string,
  path: string,
): Promise<number> {
  let bytes = 0;
  for await (const piece of piecesOf(download, from)) {
    await onThisMachine("write", path, () => file.writeFile(piece));
    bytes += piece.length;
  }
  return bytes;
}

/** `fill` writes the content. */
async function replaceFile<T>(
  { path, replacesLink = false }: LocalTarget,
  mode: number,
  fill: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const target = replacesLink ? path : await realpath(path).catch(() => path);
  const beside = join(dirname(target), `.holdfast-${process.pid}-${randomBytes(6).toString("hex")}.part`);
  const file = await onThisMachine("write", path, () => open(beside, "wx", 0o600));
  try {
    let result: T;
    try {
      result = await fill(file);
      await onThisMachine("write", path, () => file.chmod(mode));
    } finally {
      await file.close();
    }
    await onThisMachine("write", path, () => rename(beside, target));
    return result;
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
