// Users of the system, looked up through libc, so that NSS modules (LDAP, systemd-homed) count as
// well as /etc/passwd. A look-up runs on a thread of libuv's pool: an NSS module may ask the
// network.

import { userInfo } from "node:os";
import koffi from "koffi";
import { HoldfastError } from "../errors.ts";
import { systemError } from "./errno.ts";
import { libc } from "./libc.ts";

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

/** Throws `unauthenticated` for a name that the system does not know. */
export async function lookupUser(name: string): Promise<User> {
  // NSS modules copy the name to the stack of their thread: systemd's crashes above about 100 kB.
  if (name.length > MAX_NAME_LENGTH) throw unknownUser(name);
  for (let bytes = 1024; bytes <= MAX_ENTRY_BYTES; bytes *= 4) {
    const entry = Buffer.alloc(koffi.sizeof(passwd));
    const buffer = Buffer.alloc(bytes);
    const found: [unknown] = [null];
    const errno = await callGetpwnam(name, entry, buffer, found);
    if (errno === ERANGE) continue;
    if (errno !== 0) throw systemError(`look up user "${name}"`, errno);
    if (found[0] === null) break;
    const { pw_name, pw_uid, pw_gid, pw_dir } = koffi.decode(entry, passwd) as Passwd;
    return { name: pw_name, uid: pw_uid, gid: pw_gid, home: pw_dir };
  }
  throw unknownUser(name);
}

function unknownUser(name: string): HoldfastError {
  return new HoldfastError("unauthenticated", `no such user: "${name}"`);
}

function callGetpwnam(name: string, entry: Buffer, buffer: Buffer, found: [unknown]): Promise<number> {
  return new Promise((resolve, reject) => {
    getpwnam.async(name, entry, buffer, buffer.length, found, (error: Error | null, errno: number) =>
      error ? reject(error) : resolve(errno),
    );
  });
}
