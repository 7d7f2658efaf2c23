// Names of user and group ids, through libc. These wait for the user database, so they belong on a
// thread that may wait. Answers are kept until /etc/passwd or /etc/group changes, at most a minute:
// a list of 100,000 entries has few owners.

import { statSync } from "node:fs";
import koffi from "koffi";
import { libc } from "../libc.ts";

const KEPT_MS = 60_000;
const MAX_KEPT = 4096;
const ENTRY_BYTES = 64;
/** A group with many members has a long entry. */
const TEXT_BYTES = 256 * 1024;

const byUid = libc.func(
  "int getpwuid_r(unsigned int uid, void *entry, void *buffer, size_t bytes, _Out_ void **found)",
);
const byGid = libc.func(
  "int getgrgid_r(unsigned int gid, void *entry, void *buffer, size_t bytes, _Out_ void **found)",
);

/** The beginning of `struct passwd` and of `struct group`. */
const named = koffi.struct("named_entry", { name: "const char *" });

interface Names {
  readonly look: typeof byUid;
  readonly file: string;
  readonly kept: Map<number, string>;
  version: string;
  keptAtMs: number;
}

const users: Names = { look: byUid, file: "/etc/passwd", kept: new Map(), version: "", keptAtMs: 0 };
const groups: Names = { look: byGid, file: "/etc/group", kept: new Map(), version: "", keptAtMs: 0 };

let text: Buffer | undefined;

/** Call it before a request that asks for names: it forgets what may have changed. */
export function refreshIdNames(): void {
  for (const names of [users, groups]) {
    const version = versionOf(names.file);
    const nowMs = performance.now();
    if (version === names.version && nowMs - names.keptAtMs < KEPT_MS && names.kept.size < MAX_KEPT) continue;
    names.version = version;
    names.keptAtMs = nowMs;
    names.kept.clear();
  }
}

/** The number as text for an id without a name. */
export function userName(uid: number): string {
  return nameIn(users, uid);
}

export function groupName(gid: number): string {
  return nameIn(groups, gid);
}

function nameIn(names: Names, id: number): string {
  const kept = names.kept.get(id);
  if (kept !== undefined) return kept;
  const name = lookUp(names, id);
  names.kept.set(id, name);
  return name;
}

function lookUp({ look }: Names, id: number): string {
  text ??= Buffer.alloc(TEXT_BYTES);
  const entry = Buffer.alloc(ENTRY_BYTES);
  const found: [unknown] = [null];
  const errno: number = look(id, entry, text, text.length, found);
  if (errno !== 0 || found[0] === null) return String(id);
  return (koffi.decode(entry, named) as { readonly name: string }).name;
}

/** Changes with the content; empty without the file. */
function versionOf(file: string): string {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
}
