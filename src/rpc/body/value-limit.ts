// Limits how many values one message has, before it is decoded. The size of a message does not limit the memory and the time
// that its values take.

import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { RequestShare } from "../memory/request-memory.ts";
import { BinaryFields } from "./binary-fields.ts";
import { JsonValues } from "./json-values.ts";

/** More than a command has arguments and variables: Linux accepts 2 MiB of them by default, and each takes 9 bytes or more. */
const MAX_VALUES_OF_START = 262_144;
/** Other messages have a dozen fields. */
const MAX_VALUES = 16_384;
/** The memory that a value takes in addition to its text, measured with the shortest ones. */
const VALUE_BYTES = 80;
/** The decoder's own limit for messages is 100; JSON that the agent does not know may be nested deeper. */
const MAX_DEPTH = 1_000;
/** So few are not worth counting in the budget. */
const FREE_VALUES = 1_000;

/** Takes each message of a request in pieces. */
export interface ValueLimit {
  /** A message begins. */
  begin(): void;
  /** The next bytes of the message. Throws `resource_exhausted` when there are too many values in it. */
  add(piece: Uint8Array): void;
}

export function createValueLimit(
  method: DescMethod,
  format: "json" | "binary",
  share: Pick<RequestShare, "reserve">,
): ValueLimit {
  const max = method.name === "Start" ? MAX_VALUES_OF_START : MAX_VALUES;
  const begin = () => (format === "json" ? new JsonValues() : new BinaryFields(method.input));
  let values = begin();
  let counted = FREE_VALUES;
  return {
    begin: () => {
      values = begin();
      counted = FREE_VALUES;
    },
    add: (piece) => {
      const count = values.add(piece);
      if (values.depth > MAX_DEPTH)
        throw new ConnectError(
          `cannot decode ${method.input.typeName} from ${format === "json" ? "JSON" : format}: recursion deeper than ${MAX_DEPTH}`,
          Code.InvalidArgument,
        );
      if (count > max)
        throw new ConnectError(
          `the message has more than ${max} values; the limit of ${method.name} is ${max}`,
          Code.ResourceExhausted,
        );
      if (count <= counted) return;
      share.reserve((count - counted) * VALUE_BYTES);
      counted = count;
    },
  };
}
