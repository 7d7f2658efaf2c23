// The RPCs on entries: looking them up, listing, making, moving and removing them.

import type { EntryInfo } from "../../gen/filesystem_pb.ts";
import { FileType } from "../../gen/tables.ts";
import { ClientError } from "../client-errors.ts";
import { startHeaders } from "../messages.ts";
import { wasNeverProcessed } from "../retry/failures.ts";
import { callWithRetries, type RetriedCall } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { Rpc, RpcOptions } from "../transport/rpc.ts";
import { rpcError } from "./file-errors.ts";
import type { FileCallOptions, FileEntry, FileKind, ListFilesOptions } from "./types.ts";

const PAGE_SIZE = 5000;

type FileRpc = Rpc["filesystem"];

export async function statFile(link: AgentLink, path: string, options?: FileCallOptions): Promise<FileEntry> {
  return entryIn(await call(link, options, { send: (rpc, how) => rpc.stat({ path }, how) }));
}

export async function listFiles(
  link: AgentLink,
  path: string,
  { depth = 1, ...options }: ListFilesOptions = {},
): Promise<FileEntry[]> {
  if (!Number.isInteger(depth) || depth < 1)
    throw new ClientError("invalid_argument", `depth is ${depth}, must be a whole number, 1 or more`);
  const entries: FileEntry[] = [];
  let page = "";
  do {
    const request = { path, depth, pageSize: PAGE_SIZE, page };
    const answer = await call(link, options, { send: (rpc, how) => rpc.listDir(request, how) });
    for (const entry of answer.entries) entries.push(toFileEntry(entry));
    if (answer.nextPage !== "" && answer.nextPage === page)
      throw new ClientError("data_loss", `the agent sent the same page of "${path}" twice`);
    page = answer.nextPage;
  } while (page !== "");
  return entries;
}

export async function makeDir(link: AgentLink, path: string, options?: FileCallOptions): Promise<FileEntry> {
  let isRepeated = false;
  try {
    return entryIn(
      await call(link, options, {
        send: (rpc, how) => rpc.makeDir({ path }, how),
        onRepeat: () => {
          isRepeated = true;
        },
      }),
    );
  } catch (error) {
    if (!isRepeated || !(error instanceof ClientError) || error.code !== "already_exists") throw error;
    return statFile(link, path, options);
  }
}

export async function moveFile(
  link: AgentLink,
  source: string,
  destination: string,
  options?: FileCallOptions,
): Promise<FileEntry> {
  return entryIn(
    await call(link, options, {
      send: (rpc, how) => rpc.move({ source, destination }, how),
      mayRepeat: wasNeverProcessed,
    }),
  );
}

export async function removeFile(link: AgentLink, path: string, options?: FileCallOptions): Promise<void> {
  await call(link, options, { send: (rpc, how) => rpc.remove({ path }, how) });
}

export function userHeaders(
  link: AgentLink,
  { user }: { readonly user?: string | undefined },
): Readonly<Record<string, string>> {
  return startHeaders(user ?? link.settings.user, undefined);
}

interface FileCall<Answer> extends Pick<RetriedCall<Answer>, "mayRepeat" | "onRepeat"> {
  send(rpc: FileRpc, how: RpcOptions): Promise<Answer>;
}

function call<Answer>(
  link: AgentLink,
  options: FileCallOptions = {},
  { send, ...rest }: FileCall<Answer>,
): Promise<Answer> {
  const headers = userHeaders(link, options);
  return callWithRetries(link, {
    ...rest,
    send: async (rpc, how) => {
      try {
        return await send(rpc.filesystem, { ...how, headers: { ...how.headers, ...headers } });
      } catch (error) {
        throw rpcError(error);
      }
    },
    signals: [options.signal],
    patienceMs: link.settings.callRetryMs,
  });
}

function entryIn({ entry }: { readonly entry?: EntryInfo | undefined }): FileEntry {
  if (entry === undefined) throw new ClientError("data_loss", "the answer has no entry");
  return toFileEntry(entry);
}

const kinds: Readonly<Record<FileType, FileKind>> = {
  [FileType.UNSPECIFIED]: "other",
  [FileType.FILE]: "file",
  [FileType.DIRECTORY]: "directory",
  [FileType.SYMLINK]: "link",
};

export function toFileEntry(entry: EntryInfo): FileEntry {
  const { name, path, size, mode, permissions, owner, group, modifiedTime, symlinkTarget, metadata } = entry;
  return {
    ...{
      name,
      path,
      kind: kinds[entry.type] ?? "other",
      size: Number(size),
      mode,
      permissions,
      owner,
      group,
    },
    ...(modifiedTime === undefined
      ? {}
      : { modifiedAt: new Date(Number(modifiedTime.seconds) * 1000 + Math.ceil(modifiedTime.nanos / 1e6)) }),
    ...(symlinkTarget === undefined ? {} : { linkTarget: symlinkTarget }),
    metadata: { ...metadata },
  };
}
