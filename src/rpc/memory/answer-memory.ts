// Counts the answers of unary calls in the memory budget until their clients have read them (rule 14).

import { ConnectError } from "@connectrpc/connect";
import type { NodeResponse, Refusal } from "../../http/index.ts";
import type { RequestMemory } from "./request-memory.ts";

/** `bytes`: of the answer. Returns what to answer instead if there is no room for it. */
export function holdAnswer(
  bytes: number,
  response: NodeResponse,
  memory: RequestMemory,
): Refusal | undefined {
  const share = memory.open();
  response.once("close", () => share.close());
  try {
    share.reserve(bytes);
    return undefined;
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    const message = `the answer has ${bytes} bytes: ${rawMessage}`;
    return { code, httpStatus: 429, message, headers: { "Retry-After": "1" } };
  }
}
