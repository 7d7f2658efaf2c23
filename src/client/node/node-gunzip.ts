// Decompresses an answer. Apart, because most commands need no decompression.

import { promisify } from "node:util";
import { gunzip as gunzipWithCallback } from "node:zlib";
import { MAX_MESSAGE_BYTES } from "../transport/envelopes.ts";

export function gunzip(bytes: Uint8Array): Promise<Uint8Array> {
  return promisify(gunzipWithCallback)(bytes, { maxOutputLength: MAX_MESSAGE_BYTES });
}
