// The version of a file: it changes with every write that the kernel knows of. With quotes it is a strong ETag.

import { type BigIntStats, fstatSync } from "node:fs";

export function versionOf(fd: number): string {
  return versionIn(fstatSync(fd, { bigint: true }));
}

export function versionIn({
  dev,
  ino,
  size,
  mtimeNs,
  ctimeNs,
}: Pick<BigIntStats, "dev" | "ino" | "mtimeNs" | "ctimeNs"> & { readonly size: bigint | number }): string {
  return [dev, ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join("-");
}
