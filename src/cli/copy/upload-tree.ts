// A directory of this machine becomes one of the agent: one request, and after a lost connection
// one more for the missing entries.

import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { FileEntry, UnpackedDirectory } from "../../client/index.ts";
import type { OutwardLinks, PackProgress, PathFilter, UserFiles } from "../../filesystem/index.ts";
import { ifFound, remoteProblem } from "../files/file-problem.ts";
import { packDirectory } from "./local-tree.ts";
import { isLost, Patience } from "./patience.ts";
import type { TransferContext } from "./transfer-context.ts";

/** Deeper than the agent lists. */
const ALL_LEVELS = 512;

export interface TreeHow {
  readonly links: OutwardLinks;
  readonly isExcluded: PathFilter;
  readonly giveUpAfterMs: number | undefined;
}

/** The stored entries; `skipped` counts both sides, `notRead` the source. */
export interface CopiedTree {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
  readonly skipped: number;
  readonly notRead: number;
  /** The first ones, with the reason. */
  readonly skippedEntries: readonly { readonly name: string; readonly reason: string }[];
}

export async function uploadTree(
  { client, view, signal }: TransferContext,
  files: UserFiles,
  from: string,
  to: string,
  { links, isExcluded, giveUpAfterMs }: TreeHow,
): Promise<CopiedTree> {
  const patience = new Patience(giveUpAfterMs);
  let isStored: PathFilter = () => false;
  /** The entries that earlier requests have stored. */
  let before = { files: 0, bytes: 0 };
  for (;;) {
    const stored = { files: 0, bytes: 0 };
    const packed = await packDirectory(files, from, (path) => {
      if (isExcluded(path)) return true;
      if (!isStored(path)) return false;
      stored.files++;
      stored.bytes += lstatSync(join(from, path), { throwIfNoEntry: false })?.size ?? 0;
      return true;
    });
    try {
      const unpacked = await client.files.uploadDirectory(to, packed.archive, {
        links,
        signal,
        onProgress: ({ bytes }) => {
          patience.succeeded();
          before = stored;
          view.moved(before.bytes + bytes);
        },
      });
      return summary(unpacked, stored, packed.progress);
    } catch (error) {
      signal.throwIfAborted();
      if (!isLost(error)) throw remoteProblem(error, to);
      view.reconnecting({ reason: error });
      await patience.afterLoss(error, signal);
      isStored = await storedFiles(await listTree(client, to, signal), from);
    } finally {
      await packed.close();
    }
  }
}

function summary(
  { files, directories, links, bytes, skipped, skippedEntries }: UnpackedDirectory,
  stored: { readonly files: number; readonly bytes: number },
  notPacked: PackProgress,
): CopiedTree {
  const rest = {
    ...{ directories, links, skipped: skipped + notPacked.skippedCount, notRead: notPacked.skippedCount },
    skippedEntries: [...notPacked.skipped, ...skippedEntries],
  };
  return { files: files + stored.files, bytes: bytes + stored.bytes, ...rest };
}

/** Everything below a directory of the agent; nothing if there is no such directory. */
async function listTree(
  client: TransferContext["client"],
  path: string,
  signal: AbortSignal,
): Promise<FileEntry[]> {
  return (await ifFound(path, () => client.files.list(path, { depth: ALL_LEVELS, signal }))) ?? [];
}

/** Files of the agent that are as here, by size and by the seconds of their time, which archives have. */
async function storedFiles(entries: readonly FileEntry[], from: string): Promise<PathFilter> {
  const root = commonRoot(entries);
  const stored = new Set<string>();
  for (const { kind, linkTarget, path, size, modifiedAt } of entries) {
    if (kind !== "file" || linkTarget !== undefined) continue;
    const name = path.slice(root.length);
    const here = lstatSync(join(from, name), { throwIfNoEntry: false });
    const isSame =
      here?.isFile() === true &&
      here.size === size &&
      Math.floor(here.mtimeMs / 1000) === Math.floor((modifiedAt?.getTime() ?? 0) / 1000);
    if (isSame) stored.add(name);
  }
  return (path) => stored.has(path);
}

/** The directory that was listed, with a slash. Its first entry is directly in it. */
function commonRoot(entries: readonly FileEntry[]): string {
  const [first] = entries;
  return first === undefined ? "" : first.path.slice(0, first.path.length - first.name.length);
}
