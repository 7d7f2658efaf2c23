// One file of this machine, or stdin, becomes a file of the agent.

import { type FileHandle, open } from "node:fs/promises";
import { ClientError, type StoredFile, type UploadOptions } from "../../client/index.ts";
import { FileProblem, localProblem, onThisMachine, remoteProblem } from "../files/file-problem.ts";
import { ownStandardInput } from "../stdio.ts";
import type { TransferContext } from "./transfer-context.ts";

const PIECE_BYTES = 256 * 1024;

/** How often an upload begins again because the agent was restarted meanwhile. */
const MAX_RESTARTS = 5;

export type UploadHow = Pick<UploadOptions, "mode" | "ifMatch" | "ifAbsent">;

/** The content is what the file has while it is read. */
export async function uploadFile(
  { client, view, signal }: TransferContext,
  from: { readonly path: string; readonly bytes: number; readonly isRegular: boolean },
  to: string,
  how: UploadHow = {},
): Promise<StoredFile> {
  const file = await onThisMachine("read", from.path, () => open(from.path, "r"));
  try {
    for (let restarts = 0; ; restarts++) {
      try {
        return await client.files.upload(to, piecesOf(file, from.path, from.isRegular), {
          ...how,
          signal,
          ...(from.isRegular ? { totalBytes: from.bytes } : {}),
          onProgress: ({ transferredBytes }) => view.moved(transferredBytes),
          onReconnect: view.reconnecting,
        });
      } catch (error) {
        // A stream cannot be sent again; a regular file can.
        const isForgotten = error instanceof ClientError && error.code === "data_loss";
        if (!from.isRegular || !isForgotten || restarts >= MAX_RESTARTS) throw remoteProblem(error, to);
      }
    }
  } finally {
    await file.close();
  }
}

async function* piecesOf(
  file: FileHandle,
  path: string,
  isRegular: boolean,
): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; ; ) {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    const { bytesRead } = await onThisMachine("read", path, () =>
      file.read(buffer, 0, buffer.length, isRegular ? at : null),
    );
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Ends with stdin. */
export async function uploadStdin(
  { client, view, signal }: TransferContext,
  to: string,
): Promise<StoredFile> {
  ownStandardInput();
  try {
    return await client.files.upload(to, stdinPieces(), {
      signal,
      onProgress: ({ transferredBytes }) => view.moved(transferredBytes),
      onReconnect: view.reconnecting,
    });
  } catch (error) {
    throw remoteProblem(error, to);
  }
}

async function* stdinPieces(): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* process.stdin as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof FileProblem) throw error;
    throw localProblem("read", "-", error);
  }
}
