// The identity of one thread, for file calls. Linux keeps user, groups, capabilities and umask for
// each thread; glibc's functions change them on all threads, the raw system calls on the calling
// one only. A thread that took an identity here keeps it until it ends: nothing switches back, so no
// call can run with the rights of another user.

import koffi from "koffi";
import { dropCapabilities } from "../capabilities.ts";
import { systemError } from "../errno.ts";
import { libc } from "../libc.ts";
import type { Identity } from "../spawn/launcher.ts";

const CLONE_FS = 0x200;

const syscall = libc.func("long syscall(long number, long value)");
const syscallList = libc.func("syscall", "long", ["long", "long", "const void *"]);
const unshare = libc.func("int unshare(int flags)");
const umask = libc.func("unsigned int umask(unsigned int mask)");

interface CallNumbers {
  readonly setgroups: number;
  readonly setfsuid: number;
  readonly setfsgid: number;
}

const callNumbers: Readonly<Record<string, CallNumbers>> = {
  x64: { setgroups: 116, setfsuid: 122, setfsgid: 123 },
  arm64: { setgroups: 159, setfsuid: 151, setfsgid: 152 },
};

/**
 * From now on, files that this thread creates have the modes that `mask` leaves. The kernel refuses
 * it only where a filter of system calls does; then the umask of the agent stays.
 */
export function setThreadUmask(mask: number): void {
  if (unshare(CLONE_FS) === 0) umask(mask);
}

/**
 * From now on, the file calls of this thread have the rights of `identity` and no other. Not the
 * real and effective ids: with these the user could send signals to this thread, and so end the
 * agent. Throws if the kernel refuses any step; the caller then ends the thread.
 */
export function takeFileIdentity({ uid, gid, groups }: Identity): void {
  const calls = callNumbers[process.arch];
  if (calls === undefined) throw new Error(`file access as another user is not known on ${process.arch}`);
  const list = Buffer.from(new Uint32Array(groups).buffer);
  if (Number(syscallList(calls.setgroups, groups.length, list)) !== 0)
    throw systemError("set the groups of a thread", koffi.errno());
  setFileId(calls.setfsgid, gid, "group");
  setFileId(calls.setfsuid, uid, "user");
  if (uid !== 0) dropCapabilities();
}

/** These calls report no error; they return the id before. */
function setFileId(call: number, id: number, kind: string): void {
  syscall(call, id);
  const now = Number(syscall(call, -1));
  if (now !== id) throw new Error(`the ${kind} id for files stays ${now} instead of ${id}`);
}
