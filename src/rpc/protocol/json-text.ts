// Decodes the text of JSON requests. A byte that is not UTF-8 is an error: replaced by U+FFFD, it would name another file.
// So is an unknown name of an enum value.

import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { collectAll, collectBefore, freeNow } from "../memory/garbage.ts";
import { withoutLongBlanks } from "./json-blanks.ts";
import { createEnumCheck } from "./json-enums.ts";

/** Smaller buffers are left to V8. */
const LARGE_BYTES = 1024 * 1024;

/** Long runs of blanks are cut out of larger messages. */
const BLANKS_BYTES = 64 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true });

export const strictTextDecoder = {
  /** The bytes of a large message are gone afterwards: nothing else needs them, and the text takes as much memory again. */
  decode(bytes: Uint8Array): string {
    const json = bytes.length < BLANKS_BYTES ? bytes : withoutLongBlanks(bufferOf(bytes));
    collectBefore(json.length);
    try {
      return decoder.decode(json);
    } catch {
      throw new ConnectError(
        "the JSON message is not valid UTF-8; send other bytes in application/proto",
        Code.InvalidArgument,
      );
    } finally {
      if (bytes.length >= LARGE_BYTES && bytes.length === bytes.buffer.byteLength) freeNow(bytes.buffer);
    }
  },
};

/** For messages of one type. The library calls `decode` once for each message, before it reads the text. */
export function textDecoderFor(message: DescMessage): typeof strictTextDecoder {
  const check = createEnumCheck(message);
  if (check === undefined) return strictTextDecoder;
  return {
    decode(bytes) {
      const { length } = bytes;
      const text = strictTextDecoder.decode(bytes);
      // The result of the check is garbage when the decoder parses the text again.
      if (check(text) && length >= LARGE_BYTES) collectAll();
      return text;
    },
  };
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
