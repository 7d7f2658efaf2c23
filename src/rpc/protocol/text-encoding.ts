// How Protobuf-ES reads and writes strings in this program. Its own decoder drops a byte order mark at the beginning of a
// string: an argument, a path or a tag would be another one than the client sent.

import { configureTextEncoding } from "@bufbuild/protobuf/wire";

const encoder = new TextEncoder();
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Call it before the first message is decoded. */
export function keepByteOrderMarks(): void {
  configureTextEncoding({
    encodeUtf8: (text) => encoder.encode(text),
    // "Ignore" means that the mark is not special, and stays.
    decodeUtf8: (bytes, isStrict) => (isStrict === true ? strict : lenient).decode(bytes),
    checkUtf8: (text) => !/\p{Surrogate}/u.test(text),
  });
}
