// X-Metadata-KEY: VALUE headers of an upload, which become extended attributes `user.e2b.KEY` of the file. The rules are
// envd's.

import { HoldfastError } from "../../errors.ts";
import type { NodeRequest } from "../../http/index.ts";
import { clip } from "../../text.ts";

const PREFIX = "x-metadata-";
const ATTRIBUTE_PREFIX = "user.e2b.";
/** XATTR_NAME_MAX without the prefix. */
const MAX_KEY_BYTES = 246;
/** One block of ext4, which holds all attributes of a file. */
const MAX_BYTES = 4096;
const PRINTABLE = /^[\x20-\x7e]*$/;

/** Of a header that is given twice, the first value counts. */
export function metadataOf({ rawHeaders }: NodeRequest): Map<string, string> {
  const metadata = new Map<string, string>();
  let bytes = 0;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const key = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : "";
    const value = rawHeaders[index + 1] ?? "";
    if (key === "" || metadata.has(key)) continue;
    if (!PRINTABLE.test(key) || !PRINTABLE.test(value))
      throw invalid(`metadata "${clip(key)}" has characters other than printable ASCII`);
    if (key.length > MAX_KEY_BYTES)
      throw invalid(`metadata key "${clip(key)}" has ${key.length} bytes; the limit is ${MAX_KEY_BYTES}`);
    bytes += ATTRIBUTE_PREFIX.length + key.length + value.length;
    metadata.set(key, value);
  }
  if (bytes > MAX_BYTES) throw invalid(`the metadata has ${bytes} bytes; the limit is ${MAX_BYTES}`);
  return metadata;
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("invalid_argument", message);
}
