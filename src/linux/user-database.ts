// Users of the system, looked up through libc, so that NSS modules (LDAP, systemd-homed) count as
// well as /etc/passwd. A look-up runs on a thread of libuv's pool: an NSS module may ask the
// network.

import { userInfo } from "node:os";
import koffi from "koffi";
import { startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import { clip } from "../text.ts";
import { systemError } from "./errno.ts";
import { endWithoutThreads, libc } from "./libc.ts";

/** A user that was looked up by name. */
export interface FoundUser extends User {
  /** All groups, the primary one included. */
  readonly groups: readonly number[];
}

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

const ERANGE = 34;
/** LOGIN_NAME_MAX. */
const MAX_NAME_LENGTH = 256;
const MAX_ENTRY_BYTES = 1024 * 1024;
/** NGROUPS_MAX. */
const MAX_GROUPS = 65_536;

interface Passwd {
  readonly pw_name: string;
  readonly pw_uid: number;
  readonly pw_gid: number;
  readonly pw_dir: string;
}

/** The same in glibc and musl on Linux. */
const passwd = koffi.struct("passwd", {
  pw_name: "const char *",
  pw_passwd: "const char *",
  pw_uid: "unsigned int",
  pw_gid: "unsigned int",
  pw_gecos: "const char *",
  pw_dir: "const char *",
  pw_shell: "const char *",
});
const getpwnam = libc.func(
  "int getpwnam_r(const char *name, void *entry, void *buffer, size_t bytes, _Out_ void **found)",
);

const getgrouplist = libc.func(
  "int getgrouplist(const char *name, unsigned int gid, void *groups, _Inout_ int *count)",
);

/**
 * The user of this agent. A uid without an entry, common in containers, has its number as its name.
 */
export function ownUser(): User {
  try {
    const { username, uid, gid, homedir } = userInfo();
    return { name: username, uid, gid, home: homedir };
  } catch {
    // ENOENT: no entry.
    const uid = process.getuid?.() ?? 0;
    return { name: String(uid), uid, gid: process.getgid?.() ?? 0, home: process.env["HOME"] ?? "/" };
  }
}

/** How many look-ups occupy a thread of libuv's pool of 4, which all file calls share. */
const MAX_LOOKUPS = 2;
const LOOKUP_MS = 5000;

/** By name: equal look-ups share one thread. */
const running = new Map<string, Promise<FoundUser>>();
const waiting: (() => void)[] = [];

/**
 * Throws `unauthenticated` for a name that the system does not know, and `unavailable` if the
 * system does not answer in time. A look-up that hangs keeps its thread, so at most `MAX_LOOKUPS`
 * run.
 */
export function lookupUser(name: string, limitMs = LOOKUP_MS): Promise<FoundUser> {
  // NSS modules copy the name to the stack of their thread: systemd's crashes above about 100 kB.
  if (name.length > MAX_NAME_LENGTH) return Promise.reject(unknownUser(name));
  return new Promise((resolve, reject) => {
    const begin = () =>
      void share(name)
        .then(resolve, reject)
        .finally(() => limit.cancel());
    const limit = startTimer(limitMs, () => {
      const index = waiting.indexOf(begin);
      if (index >= 0) waiting.splice(index, 1);
      endWithoutThreads();
      reject(noAnswer(name, limitMs));
    });
    if (running.has(name) || running.size < MAX_LOOKUPS) begin();
    else waiting.push(begin);
  });
}

function share(name: string): Promise<FoundUser> {
  const shared = running.get(name);
  if (shared !== undefined) return shared;
  const lookup = lookUp(name).finally(() => {
    running.delete(name);
    waiting.shift()?.();
  });
  running.set(name, lookup);
  return lookup;
}

function noAnswer(name: string, limitMs: number): HoldfastError {
  return new HoldfastError(
    "unavailable",
    `the user database did not answer within ${limitMs} ms for user "${name}"`,
  );
}

async function lookUp(name: string): Promise<FoundUser> {
  const user = await findByName(name);
  return { ...user, groups: await groupsOf(user) };
}

async function groupsOf({ name, gid }: User): Promise<number[]> {
  for (let count = 64; count <= MAX_GROUPS; count *= 4) {
    const groups = Buffer.alloc(4 * count);
    const found: [number] = [count];
    if ((await call(getgrouplist, name, gid, groups, found)) >= 0)
      return Array.from({ length: found[0] }, (_, index) => groups.readUInt32LE(4 * index));
  }
  throw new HoldfastError("resource_exhausted", `user "${name}" has more than ${MAX_GROUPS} groups`);
}

async function findByName(name: string): Promise<User> {
  for (let bytes = 1024; bytes <= MAX_ENTRY_BYTES; bytes *= 4) {
    const entry = Buffer.alloc(koffi.sizeof(passwd));
    const buffer = Buffer.alloc(bytes);
    const found: [unknown] = [null];
    const errno = await call(getpwnam, name, entry, buffer, buffer.length, found);
    if (errno === ERANGE) continue;
    if (errno !== 0) throw systemError(`look up user "${name}"`, errno);
    if (found[0] === null) break;
    const { pw_name, pw_uid, pw_gid, pw_dir } = koffi.decode(entry, passwd) as Passwd;
    return { name: pw_name, uid: pw_uid, gid: pw_gid, home: pw_dir };
  }
  throw unknownUser(name);
}

function unknownUser(name: string): HoldfastError {
  return new HoldfastError("unauthenticated", `no such user: "${clip(name)}"`);
}

/** Calls a function of libc on a thread of libuv's pool. */
function call(lookup: typeof getpwnam, ...values: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    lookup.async(...values, (error: Error | null, result: number) =>
      error ? reject(error) : resolve(result),
    );
  });
}
