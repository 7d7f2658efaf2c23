// Replaces the metadata of a file, its extended attributes `user.e2b.*`. Runs on a file thread.

import { listAttributes, readAttribute, removeAttribute, writeAttribute } from "../../linux/index.ts";
import { METADATA_PREFIX } from "../entries/metadata.ts";
import { pathError } from "../file-error.ts";

/**
 * Returns a function that makes the metadata as it was before. After an error it is so already. `path` is for messages.
 */
export function replaceMetadata(
  fd: number,
  metadata: Readonly<Record<string, string>>,
  path: Uint8Array,
): () => void {
  const names = listAttributes(fd);
  const old = "errno" in names ? [] : names.filter((name) => name.startsWith(METADATA_PREFIX));
  const before = new Map(old.map((name) => [name, readAttribute(fd, name)]));
  const wanted = new Map(
    Object.entries(metadata).map(([key, value]) => [`${METADATA_PREFIX}${key}`, Buffer.from(value)]),
  );
  const undo = (): void => {
    for (const name of wanted.keys()) if (!before.has(name)) removeAttribute(fd, name);
    for (const [name, value] of before) if (Buffer.isBuffer(value)) writeAttribute(fd, name, value);
  };
  try {
    for (const name of old) if (!wanted.has(name)) check(removeAttribute(fd, name), path);
    for (const [name, value] of wanted) check(writeAttribute(fd, name, value), path);
  } catch (error) {
    undo();
    throw error;
  }
  return undo;
}

function check(failure: { readonly errno: number } | undefined, path: Uint8Array): void {
  if (failure !== undefined) throw pathError("store the metadata of", path, failure.errno);
}
