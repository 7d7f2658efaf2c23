// Metadata of files: the extended attributes `user.e2b.*`, which clients set at an upload and
// commands set with setfattr.

import { isUtf8 } from "node:buffer";
import { type AttributeTarget, listAttributes, readAttribute } from "../../linux/index.ts";

export const METADATA_PREFIX = "user.e2b.";

/** Without the prefix. Attributes that are not UTF-8 or cannot be read are left out. */
export function readMetadata(target: AttributeTarget): Record<string, string> {
  const names = listAttributes(target);
  if ("errno" in names) return {};
  const metadata = new Map<string, string>();
  for (const name of names) {
    if (!name.startsWith(METADATA_PREFIX)) continue;
    const key = Buffer.from(name.slice(METADATA_PREFIX.length), "latin1");
    const value = readAttribute(target, name);
    if (value === undefined || "errno" in value || !isUtf8(key) || !isUtf8(value)) continue;
    metadata.set(key.toString(), value.toString());
  }
  // Not by assignment: `__proto__` would be lost.
  return Object.fromEntries(metadata);
}
