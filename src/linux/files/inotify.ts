// inotify: changes of directories, as the kernel reports them. All watches share one instance,
// because a user may have 128 instances only. Adding a watch looks its path up, so it runs on a
// thread; everything else is quick.

import { constants } from "node:os";
import koffi from "koffi";
import { HoldfastError } from "../../errors.ts";
import { systemError } from "../errno.ts";
import { type Fd, libc } from "../libc.ts";

const E = constants.errno;

export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ONLYDIR: 0x0100_0000,
  EXCL_UNLINK: 0x0400_0000,
  ISDIR: 0x4000_0000,
} as const;

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
/** Of `struct inotify_event` without its name. */
const HEADER_BYTES = 16;

/** A watch of this instance: one inode has one, however often it is added. */
export type WatchDescriptor = number & { readonly __brand: "WatchDescriptor" };

export interface InotifyEvent {
  /** -1 for Q_OVERFLOW. */
  readonly watch: WatchDescriptor;
  readonly mask: number;
  /** Equal in the two halves of one rename; otherwise 0. */
  readonly cookie: number;
  /** Empty for events of the watched directory itself. */
  readonly name: Buffer;
}

const init = libc.func("int inotify_init1(int flags)");
const add = libc.func("int inotify_add_watch(int fd, const void *path, uint32_t mask)");
const remove = libc.func("int inotify_rm_watch(int fd, int watch)");

/** The caller closes it. Reads of it do not wait. */
export function openInotify(): Fd {
  const fd: number = init(IN_NONBLOCK | IN_CLOEXEC);
  if (fd >= 0) return fd as Fd;
  const errno = koffi.errno();
  if (errno === E.EMFILE)
    throw new HoldfastError(
      "resource_exhausted",
      "this user has too many inotify instances: raise the sysctl fs.inotify.max_user_instances",
    );
  throw systemError("open inotify", errno);
}

/** The watch, or the errno. `path` is looked up with the rights of the calling thread. */
export function addWatch(
  fd: Fd,
  path: Uint8Array,
  mask: number,
): { readonly watch: WatchDescriptor } | { readonly errno: number } {
  const watch: number = add(fd, Buffer.concat([path, Buffer.alloc(1)]), mask);
  return watch >= 0 ? { watch: watch as WatchDescriptor } : { errno: koffi.errno() };
}

/** A watch that the kernel has removed already is not an error. */
export function removeWatch(fd: Fd, watch: WatchDescriptor): void {
  remove(fd, watch);
}

/** All events of one read, which the kernel never splits. */
export function* parseEvents(bytes: Buffer): Generator<InotifyEvent> {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 12);
    const padded = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    const end = padded.indexOf(0);
    yield {
      watch: bytes.readInt32LE(at) as WatchDescriptor,
      mask: bytes.readUInt32LE(at + 4),
      cookie: bytes.readUInt32LE(at + 8),
      // A copy: the buffer of the read is used again.
      name: Buffer.from(end < 0 ? padded : padded.subarray(0, end)),
    };
    at += HEADER_BYTES + length;
  }
}
