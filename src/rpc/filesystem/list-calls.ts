// ListDir: in one answer, or page by page.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { HoldfastError } from "../../errors.ts";
import { cleanPath, type Entry } from "../../filesystem/index.ts";
import type { EntryInfo, ListDirRequest, ListDirResponseSchema } from "../../gen/filesystem_pb.ts";
import type { RpcContext } from "../call-context.ts";
import { entryMessages } from "./entry-messages.ts";
import { type FileRequestSettings, fileRequest } from "./file-request.ts";

/** In one answer without pages. */
const MAX_ENTRIES = 100_000;
/** In one page. */
const MAX_PAGE_ENTRIES = 10_000;

export async function listDir(
  settings: FileRequestSettings,
  { path, depth, pageSize, page }: ListDirRequest,
  context: RpcContext,
): Promise<MessageInitShape<typeof ListDirResponseSchema>> {
  const { files, resolve } = await fileRequest(settings, context);
  const hasPages = pageSize > 0;
  const resolved = resolve(path);
  const request = {
    path: resolved,
    shownPath: cleanPath(resolved),
    depth: Math.max(1, depth),
    maxEntries: hasPages ? Math.min(pageSize, MAX_PAGE_ENTRIES) : MAX_ENTRIES,
    after: page === "" ? undefined : parsePage(page),
  };
  const toInfo = entryMessages(context);
  const entries: EntryInfo[] = [];
  const { last, unreadable } = await files.call("list", [request], {
    signal: context.signal,
    onPart: (part) => entries.push(...(part as Entry[]).map(toInfo)),
  });
  if (hasPages)
    return { entries, unreadable: [...unreadable], nextPage: last === undefined ? "" : formatPage(last) };
  if (last === undefined) return { entries };
  throw new HoldfastError(
    "resource_exhausted",
    `"${request.shownPath}" has more than ${MAX_ENTRIES} entries at depth ${request.depth}: list a smaller depth, or give page_size`,
  );
}

/** The names to the last entry of a page, each in base64. */
function formatPage(names: readonly Uint8Array[]): string {
  return names.map((name) => Buffer.from(name).toString("base64url")).join(".");
}

function parsePage(page: string): Buffer[] {
  const names = page.split(".").map((name) => Buffer.from(name, "base64url"));
  if (formatPage(names) === page && names.every(({ length }) => length > 0)) return names;
  throw new HoldfastError("invalid_argument", "page is not a next_page of an earlier answer");
}
