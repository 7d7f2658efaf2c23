// Extended attributes, for which Node has no functions. Links are followed. Each call touches the
// file system, so it belongs on a thread that may wait.

import { constants } from "node:os";
import koffi from "koffi";
import { libc } from "../libc.ts";

/** A path, or an open descriptor. */
export type AttributeTarget = Uint8Array | number;

const E = constants.errno;
const ENODATA = 61;
/** Of one value, and of all names together. */
const MAX_BYTES = 64 * 1024;

const getByPath = libc.func("long getxattr(const void *path, const char *name, void *value, size_t size)");
const getByFd = libc.func("long fgetxattr(int fd, const char *name, void *value, size_t size)");
const setByPath = libc.func(
  "int setxattr(const void *path, const char *name, const void *value, size_t size, int flags)",
);
const setByFd = libc.func(
  "int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)",
);
const listByPath = libc.func("long listxattr(const void *path, void *list, size_t size)");
const listByFd = libc.func("long flistxattr(int fd, void *list, size_t size)");
const removeByPath = libc.func("int removexattr(const void *path, const char *name)");
const removeByFd = libc.func("int fremovexattr(int fd, const char *name)");

const room = Buffer.alloc(MAX_BYTES);

/** A failed call, with its errno. */
export interface AttributeFailure {
  readonly errno: number;
}

/** Empty where the file system has no extended attributes. */
export function listAttributes(target: AttributeTarget): readonly string[] | AttributeFailure {
  const found = Number(
    typeof target === "number"
      ? listByFd(target, room, MAX_BYTES)
      : listByPath(terminated(target), room, MAX_BYTES),
  );
  if (found < 0) {
    const errno = koffi.errno();
    return errno === E.ENOTSUP ? [] : { errno };
  }
  return room.toString("latin1", 0, found).split("\0").slice(0, -1);
}

/** Undefined if the attribute is not there (any more). */
export function readAttribute(target: AttributeTarget, name: string): Buffer | undefined | AttributeFailure {
  const found = Number(
    typeof target === "number"
      ? getByFd(target, name, room, MAX_BYTES)
      : getByPath(terminated(target), name, room, MAX_BYTES),
  );
  if (found >= 0) return Buffer.from(room.subarray(0, found));
  const errno = koffi.errno();
  return errno === ENODATA || errno === E.ENOTSUP ? undefined : { errno };
}

export function writeAttribute(
  target: AttributeTarget,
  name: string,
  value: Uint8Array,
): AttributeFailure | undefined {
  const result =
    typeof target === "number"
      ? setByFd(target, name, value, value.length, 0)
      : setByPath(terminated(target), name, value, value.length, 0);
  return result === 0 ? undefined : { errno: koffi.errno() };
}

/** Succeeds also without such an attribute. */
export function removeAttribute(target: AttributeTarget, name: string): AttributeFailure | undefined {
  const result =
    typeof target === "number" ? removeByFd(target, name) : removeByPath(terminated(target), name);
  if (result === 0) return undefined;
  const errno = koffi.errno();
  return errno === ENODATA ? undefined : { errno };
}

function terminated(path: Uint8Array): Buffer {
  return Buffer.concat([path, Buffer.alloc(1)]);
}
