// Uploads and downloads with their progress. A lost connection is continued by the client.

import { signal } from "@preact/signals";
import type { FileEntry, TransferProgress } from "../../src/client/page-client.ts";
import { client, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { saveBlob } from "../ui/copy.ts";
import { formatBytes, plainLine } from "../ui/format.ts";
import { joinPath } from "./paths.ts";

interface Transfer {
  readonly id: number;
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
  readonly result?: string;
  readonly cancel: () => void;
}

const transfers = signal<readonly Transfer[]>([]);
let lastId = 0;

/** One after the other. */
export async function beginUploads(files: readonly File[], folder: string): Promise<void> {
  for (const file of files)
    await track(file.name, file.size, async (signal, onProgress) => {
      const stored = await client.value?.files.upload(joinPath(folder, file.name), file, {
        signal,
        onProgress,
      });
      return strings.uploadDone(plainLine(stored?.name ?? file.name));
    });
}

export async function beginDownload(entry: FileEntry): Promise<void> {
  await track(entry.name, entry.kind === "directory" ? undefined : entry.size, async (signal, onProgress) => {
    const isFolder = entry.kind === "directory";
    const download = isFolder
      ? await client.value?.files.downloadDirectory(entry.path, { signal, format: "tar.gz" })
      : await client.value?.files.download(entry.path, { signal, onProgress });
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of download ?? []) parts.push(new Uint8Array(piece));
    const blob = new Blob(parts);
    const name = plainLine(entry.name);
    saveBlob(blob, isFolder ? `${name}.tar.gz` : name);
    return `${strings.downloadDone(name)} ${await hashOf(blob)}`;
  });
}

async function track(
  name: string,
  totalBytes: number | undefined,
  run: (signal: AbortSignal, onProgress: (progress: TransferProgress) => void) => Promise<string>,
): Promise<void> {
  const id = ++lastId;
  const abort = new AbortController();
  const set = (change: Partial<Transfer>) => {
    transfers.value = transfers.value.map((row) => (row.id === id ? { ...row, ...change } : row));
  };
  const drop = () => {
    transfers.value = transfers.value.filter((row) => row.id !== id);
  };
  const cancel = () => {
    abort.abort();
    drop();
  };
  transfers.value = [...transfers.value, { id, name, doneBytes: 0, totalBytes, cancel }];
  try {
    set({ result: await run(abort.signal, ({ transferredBytes }) => set({ doneBytes: transferredBytes })) });
  } catch (error) {
    drop();
    if (!abort.signal.aborted) sayError(error);
  }
}

/** Only secure contexts can compute it. */
async function hashOf(blob: Blob): Promise<string> {
  if (crypto.subtle === undefined) return "";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return strings.sha256(Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""));
}

export function TransferList() {
  if (transfers.value.length === 0) return null;
  return (
    <ul class="transfers" aria-live="polite">
      {transfers.value.map(({ id, name, doneBytes, totalBytes, result, cancel }) => (
        <li key={id}>
          <span class="mono">{plainLine(name)}</span>
          {result === undefined ? (
            <>
              <progress
                aria-label={plainLine(name)}
                value={totalBytes === undefined ? undefined : doneBytes}
                max={totalBytes ?? 1}
              />
              <span class="quiet">
                {formatBytes(doneBytes)}
                {totalBytes !== undefined && ` / ${formatBytes(totalBytes)}`}
              </span>
            </>
          ) : (
            <span class="quiet">{result}</span>
          )}
          <button type="button" class="link" onClick={cancel}>
            {result === undefined ? strings.cancel : strings.dismiss}
          </button>
        </li>
      ))}
    </ul>
  );
}
