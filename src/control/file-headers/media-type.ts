// The Content-Type of a file: by the extension of the file that was reached, and for names without a known one by
// its first bytes. The table is that of the package mime, so that it does not depend on the machine.

import mime from "mime";

export const SNIFFED_BYTES = 512;
const UNKNOWN = "application/octet-stream";

/** `name` is that of the file itself, not of a link to it. */
export function mediaType(name: string, firstBytes: Buffer): string {
  const type = mime.getType(name);
  if (type === null) return isText(firstBytes) ? "text/plain; charset=utf-8" : UNKNOWN;
  return isTextType(type) ? `${type}; charset=utf-8` : type;
}

/** False for content that is compressed already: gzip would only use the CPU. */
export function isCompressible(type: string): boolean {
  const [name = ""] = type.split(";");
  return (
    isTextType(name) ||
    /^application\/(octet-stream|wasm|x-tar|x-sh|.*\+(json|xml))$/.test(name) ||
    /^image\/(svg\+xml|bmp|x-ms-bmp)$/.test(name)
  );
}

function isTextType(type: string): boolean {
  return /^text\/|^application\/(json|xml|javascript|x-sh|yaml|toml|sql)$/.test(type);
}

/** UTF-8 without control characters that no text has. A character may be cut off at the end. */
function isText(bytes: Buffer): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what the test is for.
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(bytes.toString("latin1"))) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    // Not UTF-8.
    return false;
  }
}
