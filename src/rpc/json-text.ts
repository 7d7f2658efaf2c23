// Decodes the text of JSON requests. A byte that is not UTF-8 is an error: replaced by U+FFFD, it would name another file.

import { Code, ConnectError } from "@connectrpc/connect";

const decoder = new TextDecoder("utf-8", { fatal: true });

export const strictTextDecoder = {
  decode(bytes: Uint8Array): string {
    try {
      return decoder.decode(bytes);
    } catch {
      throw new ConnectError(
        "the JSON message is not valid UTF-8; send other bytes in application/proto",
        Code.InvalidArgument,
      );
    }
  },
};
