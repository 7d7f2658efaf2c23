// Copies chosen paths of one directory into another one.

import { chmod, mkdir, utimes } from "node:fs/promises";
import type { OutwardLinks, PathFilter, UserFiles } from "../../filesystem/index.ts";
import { downloadFile } from "../copy/download-file.ts";
import { downloadTree } from "../copy/download-tree.ts";
import type { TransferContext } from "../copy/transfer-context.ts";
import { uploadTree } from "../copy/upload-tree.ts";
import { onThisMachine } from "../files/file-problem.ts";
import { inDirectory } from "../files/place.ts";
import type { Inventory, Item } from "./inventory.ts";

export interface TransferHow {
  readonly from: string;
  readonly to: string;
  readonly source: Inventory;
  /** Of the source, with the directories among them. */
  readonly paths: readonly string[];
  readonly links: OutwardLinks;
  readonly exclude: readonly string[];
  readonly giveUpAfterMs: number | undefined;
}

export async function sendPaths(context: TransferContext, files: UserFiles, how: TransferHow): Promise<void> {
  const { from, to, paths, links, giveUpAfterMs } = how;
  const isExcluded = allExcept(paths);
  await uploadTree(context, files, from, to, { links, isExcluded, giveUpAfterMs });
}

/** The cost of a request, as bytes of an archive. */
const REQUEST_BYTES = 64 * 1024;
const REQUESTS_AT_ONCE = 4;

export async function fetchPaths(
  context: TransferContext,
  files: UserFiles,
  how: TransferHow,
): Promise<void> {
  if (isCheaperSingly(how)) return await fetchSingly(context, how);
  const { from, to, paths, links, exclude, giveUpAfterMs } = how;
  const isExcluded = allExcept(paths);
  await downloadTree(context, files, from, to, { links, exclude, isExcluded, giveUpAfterMs });
}

/** An archive always has the whole directory. Only an archive has the text of a link. */
function isCheaperSingly({ source, paths }: TransferHow): boolean {
  let needed = 0;
  for (const path of paths) {
    const item = source.items.get(path);
    if (item?.kind === "link") return false;
    needed += REQUEST_BYTES + (item?.bytes ?? 0);
  }
  let all = 0;
  for (const { bytes } of source.items.values()) all += bytes;
  // With parts of the source known only, the archive may be of any size.
  return paths.length <= REQUESTS_AT_ONCE || needed < all;
}

async function fetchSingly(
  context: TransferContext,
  { from, to, source, paths }: TransferHow,
): Promise<void> {
  const left = [...paths];
  await onThisMachine("write", to, () => mkdir(to, { recursive: true }));
  const fetchNext = async (): Promise<void> => {
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      const item = source.items.get(path);
      const target = inDirectory(to, path);
      if (item?.kind === "directory")
        await onThisMachine("write", target, async () => {
          await mkdir(target, { recursive: true });
          await chmod(target, item.mode);
        });
      if (item?.kind !== "file") continue;
      await onThisMachine("write", target, () => mkdir(parentOf(target), { recursive: true }));
      const place = { path: target, isSpecial: false, replacesLink: true };
      await downloadFile(context, inDirectory(from, path), place, item.mode);
      await onThisMachine("write", target, () => utimes(target, new Date(), timeOf(item)));
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, fetchNext));
}

/** As a number, with its fraction, only after 1970: Node takes a negative one for the present. */
function timeOf({ mtimeMs }: Item): number | Date {
  return mtimeMs < 0 ? new Date(mtimeMs) : mtimeMs / 1000;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** True for everything but the paths and the directories above them. */
function allExcept(paths: readonly string[]): PathFilter {
  const kept = new Set<string>(paths);
  for (const path of paths)
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      kept.add(path.slice(0, end));
  return (path) => !kept.has(path);
}
