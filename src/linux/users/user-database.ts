// Users of the system, looked up through libc, so that NSS modules (LDAP, systemd-homed) count as
// well as /etc/passwd. A look-up runs on a thread of libuv's pool: an NSS module may ask the
// network.

import { userInfo } from "node:os";
import koffi from "koffi";
import { startTimer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import { clip, lengthProblem } from "../../text.ts";
import { systemError } from "../errno.ts";
import { endWithoutThreads, libc } from "../libc.ts";

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

const getpwuid = libc.func(
  "int getpwuid_r(unsigned int uid, void *entry, void *buffer, size_t bytes, _Out_ void **found)",
);
const group = koffi.struct("group", {
  gr_name: "const char *",
  gr_passwd: "const char *",
  gr_gid: "unsigned int",
  gr_mem: "void *",
});
const getgrnam = libc.func(
  "int getgrnam_r(const char *name, void *entry, void *buffer, size_t bytes, _Out_ void **found)",
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

/**
 * Whether commands and file calls of `user` have the identity of this agent. An agent that is not root cannot take another
 * group, and containers often start it in another one than that of its user (`runAsUser` in Kubernetes: group 0).
 */
export function isOwnIdentity({ uid, gid }: User): boolean {
  const own = process.getuid?.();
  return uid === own && (own !== 0 || gid === process.getgid?.());
}

/** How many look-ups occupy a thread of libuv's pool of 4, which all file calls share. */
const MAX_LOOKUPS = 2;
const LOOKUP_MS = 5000;

/** By the whole name that is looked up, with its kind: equal look-ups share one thread. */
const running = new Map<string, Promise<unknown>>();
const waiting: (() => void)[] = [];

/**
 * Throws `unauthenticated` for a name that the system does not know, and `unavailable` if the
 * system does not answer in time. A look-up that hangs keeps its thread, so at most `MAX_LOOKUPS`
 * run.
 */
export function lookupUser(name: string, limitMs = LOOKUP_MS): Promise<FoundUser> {
  // NSS modules copy the name to the stack of their thread: systemd's crashes above about 100 kB.
  if (isTooLong(name)) return Promise.reject(unknownUser(name));
  return inTime(`user "${name}"`, () => lookUp(name), limitMs);
}

/**
 * A uid without an entry, common in containers, is a user whose name and only group are its number.
 * Throws `unauthenticated` for a number that no user can have, and `unavailable` as lookupUser does.
 */
export function lookupUid(uid: number, limitMs = LOOKUP_MS): Promise<FoundUser> {
  if (!isId(uid)) return Promise.reject(unknownUser(String(uid)));
  return inTime(`uid ${uid}`, () => lookUpUid(uid), limitMs);
}

/** The gid of a group with this name, otherwise the number itself. Throws as lookupUser does. */
export function lookupGroup(name: string, limitMs = LOOKUP_MS): Promise<number> {
  if (isTooLong(name)) return Promise.reject(unknownGroup(name));
  return inTime(`group "${name}"`, () => lookUpGroup(name), limitMs);
}

/** `what` names the look-up in messages. */
function inTime<T>(what: string, lookUp: () => Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const begin = () =>
      void share(what, lookUp)
        .then(resolve, reject)
        .finally(() => limit.cancel());
    const limit = startTimer(limitMs, () => {
      const index = waiting.indexOf(begin);
      if (index >= 0) waiting.splice(index, 1);
      endWithoutThreads();
      reject(noAnswer(what, limitMs));
    });
    if (running.has(what) || running.size < MAX_LOOKUPS) begin();
    else waiting.push(begin);
  });
}

function share<T>(what: string, lookUp: () => Promise<T>): Promise<T> {
  const shared = running.get(what);
  if (shared !== undefined) return shared as Promise<T>;
  const lookup = lookUp().finally(() => {
    running.delete(what);
    waiting.shift()?.();
  });
  running.set(what, lookup);
  return lookup;
}

function noAnswer(what: string, limitMs: number): HoldfastError {
  return new HoldfastError(
    "unavailable",
    `the user database did not answer within ${limitMs} ms for ${what}`,
  );
}

async function lookUp(name: string): Promise<FoundUser> {
  const found = await findEntry(getpwnam, name, passwd, `user "${name}"`);
  if (found === undefined) throw unknownUser(name);
  return withGroups(found as unknown as Passwd);
}

async function lookUpUid(uid: number): Promise<FoundUser> {
  const found = await findEntry(getpwuid, uid, passwd, `uid ${uid}`);
  if (found !== undefined) return withGroups(found as unknown as Passwd);
  return { name: String(uid), uid, gid: uid, home: "/", groups: [uid] };
}

async function withGroups({ pw_name, pw_uid, pw_gid, pw_dir }: Passwd): Promise<FoundUser> {
  const user = { name: pw_name, uid: pw_uid, gid: pw_gid, home: pw_dir };
  const what = `user "${clip(pw_name)}"`;
  if (!isId(pw_uid)) throw impossibleId(what, "uid", pw_uid);
  if (!isId(pw_gid)) throw impossibleId(what, "gid", pw_gid);
  return { ...user, groups: await groupsOf(user) };
}

async function lookUpGroup(name: string): Promise<number> {
  const found = await findEntry(getgrnam, name, group, `group "${name}"`);
  const gid = Number(found?.["gr_gid"]);
  if (found !== undefined && !isId(gid)) throw impossibleId(`group "${clip(name)}"`, "gid", gid);
  if (found !== undefined) return gid;
  if (/^\d{1,10}$/.test(name) && isId(Number(name))) return Number(name);
  throw unknownGroup(name);
}

/** 2^32-1 means "no change" to the kernel: a command with that uid would keep the one of the agent. */
function isId(id: number): boolean {
  return id >= 0 && id < 0xffffffff;
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

/** Undefined if there is no such entry. */
async function findEntry(
  find: typeof getpwnam,
  key: string | number,
  type: typeof passwd,
  what: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  for (let bytes = 1024; bytes <= MAX_ENTRY_BYTES; bytes *= 4) {
    const entry = Buffer.alloc(koffi.sizeof(type));
    const buffer = Buffer.alloc(bytes);
    const found: [unknown] = [null];
    const errno = await call(find, key, entry, buffer, buffer.length, found);
    if (errno === ERANGE) continue;
    if (errno !== 0) throw systemError(`look up ${what}`, errno);
    // The texts are in `buffer`, which must live until here.
    return found[0] === null ? undefined : koffi.decode(entry, type);
  }
  return undefined;
}

function impossibleId(what: string, kind: "uid" | "gid", id: number): HoldfastError {
  return new HoldfastError("unauthenticated", `${what} has the ${kind} ${id}, which no process can have`);
}

function isTooLong(name: string): boolean {
  return lengthProblem(name, { most: MAX_NAME_LENGTH, least: 0 }) !== undefined;
}

function unknownGroup(name: string): HoldfastError {
  return new HoldfastError("unauthenticated", `no such group: "${clip(name)}"`);
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
