// Entries as the wire shows them.

import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Entry, EntryType } from "../../filesystem/index.ts";
import { type EntryInfo, EntryInfoSchema, FileType } from "../../gen/filesystem_pb.ts";
import type { RpcContext } from "../protocol/call-context.ts";

const types: Readonly<Record<EntryType, FileType>> = {
  file: FileType.FILE,
  directory: FileType.DIRECTORY,
  link: FileType.SYMLINK,
  other: FileType.UNSPECIFIED,
};

/** Makes the message of an entry, as far as the client understands it. */
export type ToEntryInfo = (entry: Entry) => EntryInfo;

/**
 * The first Python SDK fails on fields that it does not know. It calls itself exactly `connect-python` and gets name,
 * type and path; the header tells proxies so, as envd's does.
 */
export function entryMessages(context: RpcContext): ToEntryInfo {
  return toEntryInfos(markLegacyClient(context));
}

/** Returns whether this is the first Python SDK, see entryMessages. */
export function markLegacyClient({ requestHeader, responseHeader }: RpcContext): boolean {
  const isLegacy = requestHeader.get("User-Agent") === "connect-python";
  if (isLegacy) responseHeader.set("X-E2B-Legacy-SDK", "true");
  return isLegacy;
}

export function toEntryInfos(isLegacy: boolean): ToEntryInfo {
  if (!isLegacy) return toEntryInfo;
  return ({ name, type, path }) =>
    create(EntryInfoSchema, { name, path, type: type === "link" ? FileType.UNSPECIFIED : types[type] });
}

function toEntryInfo(entry: Entry): EntryInfo {
  const { name, path, size, mode, permissions, owner, group, modifiedNs, symlinkTarget, metadata } = entry;
  return create(EntryInfoSchema, {
    ...{ name, path, mode, permissions, owner, group },
    type: types[entry.type],
    size: BigInt(size),
    modifiedTime: toTimestamp(modifiedNs),
    ...(symlinkTarget === undefined ? {} : { symlinkTarget }),
    metadata: { ...metadata },
  });
}

const SECOND_NS = 1_000_000_000n;

/** File systems allow years that a Timestamp does not; these become the nearest one. */
function toTimestamp(ns: bigint): Timestamp {
  const nanos = ((ns % SECOND_NS) + SECOND_NS) % SECOND_NS;
  const seconds = (ns - nanos) / SECOND_NS;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
    return timestampFromMs(Number(seconds < FIRST_SECOND ? FIRST_SECOND : LAST_SECOND) * 1000);
  return create(TimestampSchema, { seconds, nanos: Number(nanos) });
}

/** 0001-01-01 and 9999-12-31. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;
