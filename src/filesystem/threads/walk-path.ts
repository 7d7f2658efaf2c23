// Looks up a path one name after the other, as openat2 does in the kernel: for systems without openat2. Each directory
// stays open until the next one is, so nothing that is swapped meanwhile leads elsewhere.

import { closeSync, constants, fstatSync, openSync, readlinkSync, statfsSync } from "node:fs";
import { constants as os } from "node:os";
import { nameOf, O_PATH, readOpenLink } from "../../linux/index.ts";

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const { ELOOP } = os.errno;
/** As the kernel's own limit. */
const MAX_LINKS = 40;
const PROC_SUPER_MAGIC = 0x9fa0;

/** A failed system call, with errno and code as errors of Node have them. */
export class SystemFailure extends Error {
  readonly errno: number;
  readonly code: string;

  constructor(errno: number) {
    super(nameOf(errno));
    this.errno = -errno;
    this.code = nameOf(errno);
  }
}

export interface WalkOptions {
  /** No symbolic link anywhere in the path. */
  readonly refuseLinks: boolean;
}

/** `folder` undefined: `path` is absolute. The caller closes the descriptor. Throws system errors. */
export function walkPath(
  folder: number | undefined,
  path: Uint8Array,
  flags: number,
  { refuseLinks }: WalkOptions,
): number {
  let at =
    folder === undefined ? open("/", O_PATH | O_DIRECTORY) : open(through(folder), O_PATH | O_DIRECTORY);
  try {
    const names = namesOf(path);
    for (let links = 0; ; ) {
      const name = names.shift();
      if (name === undefined) break;
      const next = open(Buffer.concat([through(at), SLASH, name]), O_PATH | O_NOFOLLOW);
      const isEnd = names.length === 0;
      if (!fstatSync(next).isSymbolicLink() || (isEnd && (flags & O_NOFOLLOW) !== 0 && !refuseLinks)) {
        closeSync(at);
        at = next;
        continue;
      }
      try {
        if (refuseLinks || ++links > MAX_LINKS || isMagic(next, at)) throw new SystemFailure(ELOOP);
        const text = readOpenLink(next);
        if (typeof text === "number") throw new SystemFailure(-text);
        names.unshift(...namesOf(text));
        if (text[0] !== SLASH[0]) continue;
      } finally {
        closeSync(next);
      }
      closeSync(at);
      at = open("/", O_PATH | O_DIRECTORY);
    }
    if (fstatSync(at).isSymbolicLink() && (flags & O_PATH) === 0) throw new SystemFailure(ELOOP);
    // Through the descriptor: the place that was found, even if its name now leads elsewhere.
    return open(through(at), flags & ~O_NOFOLLOW);
  } finally {
    closeSync(at);
  }
}

const SLASH = Buffer.from("/");

function namesOf(path: Uint8Array): Buffer[] {
  const names = Buffer.from(path)
    .toString("latin1")
    .split("/")
    .filter((name) => name !== "")
    .map((name) => Buffer.from(name, "latin1"));
  // A slash at the end asks for a directory, and so follows a link.
  if (path.length > 1 && path[path.length - 1] === SLASH[0]) names.push(Buffer.from("."));
  return names;
}

function through(fd: number): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}`);
}

function open(path: Buffer | string, flags: number): number {
  return openSync(path, flags);
}

/** In /proc, only `self`, `mounts` and the like are ordinary links: those of the top directory. */
function isMagic(link: number, folder: number): boolean {
  if (statfsSync(through(link)).type !== PROC_SUPER_MAGIC) return false;
  return readlinkSync(through(folder)) !== "/proc";
}
