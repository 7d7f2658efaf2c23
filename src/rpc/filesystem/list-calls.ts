// ListDir: in one answer, or page by page.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { HoldfastError } from "../../errors.ts";
import { cleanPath, type Entry, type Reservation } from "../../filesystem/index.ts";
import type { ListDirRequest, ListDirResponseSchema } from "../../gen/filesystem_pb.ts";
import { callContext, type RpcContext } from "../protocol/call-context.ts";
import { EntryList } from "./entry-list.ts";
import { entryMessages } from "./entry-messages.ts";
import { type FileRequestSettings, fileRequest } from "./file-request.ts";

/** In one answer without pages. */
const MAX_ENTRIES = 100_000;
/** In one page. */
const MAX_PAGE_ENTRIES = 10_000;

export interface ListSettings extends FileRequestSettings {
  /** Part of the memory budget; undefined if there is no room. */
  reserve(bytes: number): Reservation | undefined;
}

/** Answers through the call's context: a large list is encoded while it is read. */
export async function listDir(
  settings: ListSettings,
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
  const { codec, response, answerWith } = callContext(context.values);
  const list = new EntryList({ codec, reserve: settings.reserve });
  response.once("close", () => list.release());
  const giveUp = new AbortController();
  let failure: unknown;
  const onPart = (part: unknown) => {
    if (failure !== undefined) return;
    try {
      list.add((part as Entry[]).map(toInfo));
    } catch (error) {
      failure = error;
      giveUp.abort();
    }
  };
  const signal = AbortSignal.any([context.signal, giveUp.signal]);
  const { last, unreadable } = await files.call("list", [request], { signal, onPart }).catch((error) => {
    list.release();
    throw failure ?? error;
  });
  if (failure !== undefined) throw failure;
  if (!hasPages && last !== undefined) {
    list.release();
    throw new HoldfastError(
      "resource_exhausted",
      `"${request.shownPath}" has more than ${MAX_ENTRIES} entries at depth ${request.depth}: list a smaller depth, or give page_size`,
    );
  }
  const nextPage = last === undefined ? "" : formatPage(last);
  // Its answer is an error already.
  context.signal.throwIfAborted();
  answerWith(list.end({ nextPage, unreadable: hasPages ? unreadable : [] }));
  return {};
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
