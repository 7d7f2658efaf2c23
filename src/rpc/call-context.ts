// What a streaming handler needs of its call and Connect-ES does not hand it: the response itself, and the client's
// limit, which on Start bounds the process and not the call.

import { type ContextValues, createContextKey } from "@connectrpc/connect";
import type { NodeResponse } from "../http/index.ts";
import type { Codec } from "./output/event-frames.ts";

export interface Call {
  readonly response: NodeResponse;
  readonly codec: Codec;
  /** On Start, where it was kept from the library: elsewhere `HandlerContext.signal` follows it. */
  readonly timeoutMs: number | undefined;
  /** Says that the messages received so far are dealt with (request-memory.ts): a stream of them may go on for ever. */
  readonly releaseRequest: () => void;
}

const callKey = createContextKey<Call | undefined>(undefined, { description: "the call's HTTP response" });

export function setCall(values: ContextValues, call: Call): void {
  values.set(callKey, call);
}

export function callOf(values: ContextValues): Call {
  const call = values.get(callKey);
  if (call === undefined) throw new Error("the handler was called past the adapter");
  return call;
}
