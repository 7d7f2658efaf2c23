// Who a process runs as, from the system's user database through libc, so that NSS (LDAP, systemd-homed) counts too.

import { userInfo } from "node:os";
import koffi from "koffi";
import { HoldfastError } from "../../errors.ts";
import { libc, systemError } from "../../linux/index.ts";
import { lookupCommand } from "./command-lookup.ts";

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

/** The user this agent runs as. A uid without an entry, as containers have it, gets its number for a name. */
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

/** Throws `unauthenticated` for a name the system does not know. Looked up in a thread: NSS may ask the network. */
export async function lookupUser(name: string): Promise<User> {
  // NSS modules copy the name to their thread's stack: systemd's ends the program somewhere past 100 kB.
  if (name.length > MAX_NAME_LENGTH) throw new HoldfastError("unauthenticated", `no such user: "${name}"`);
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
  throw new HoldfastError("unauthenticated", `no such user: "${name}"`);
}

/** Throws what a start as `name` would throw for the user's sake. */
export async function checkUser(name: string): Promise<void> {
  asUser(await lookupUser(name), "/", []);
}

/**
 * The command that runs `argv` as `user`: as it is for the agent's own user, else through setpriv, which alone sets
 * supplementary groups right (libuv clears them, node-pty keeps root's). Throws `permission_denied` where the agent
 * may not become that user.
 */
export function asUser(
  user: User,
  path: string,
  argv: readonly string[],
): { path: string; argv: readonly string[] } {
  if (user.uid === process.getuid?.() && user.gid === process.getgid?.()) return { path, argv };
  if (process.getuid?.() !== 0)
    throw new HoldfastError(
      "permission_denied",
      `only root may run commands as another user: "${user.name}"`,
    );
  const identity = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups"];
  const setpriv = lookupCommand("setpriv", process.env["PATH"], "/");
  return { path: setpriv, argv: ["setpriv", ...identity, "--", path, ...argv.slice(1)] };
}

function callGetpwnam(name: string, entry: Buffer, buffer: Buffer, found: [unknown]): Promise<number> {
  return new Promise((resolve, reject) => {
    getpwnam.async(name, entry, buffer, buffer.length, found, (error: Error | null, errno: number) =>
      error ? reject(error) : resolve(errno),
    );
  });
}
