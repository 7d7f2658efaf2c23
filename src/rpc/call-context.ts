// What a handler needs of its call and Connect-ES does not pass to it: the response itself, its encoding, and the
// client's time limit, which on Start bounds the process and not the call.

import { type ContextValues, createContextKey } from "@connectrpc/connect";
import type { NodeResponse } from "../http/index.ts";
import type { Codec } from "./output/event-frames.ts";

export interface CallContext {
  readonly response: NodeResponse;
  readonly codec: Codec;
  /** Only on Start, where the adapter hides it from the library. Elsewhere `HandlerContext.signal` follows it. */
  readonly timeoutMs: number | undefined;
  /** To be called when the message is passed on to code that counts it itself (request-memory.ts). Not for a client stream: see request-body.ts. */
  readonly releaseRequest: () => void;
}

const contextKey = createContextKey<CallContext | undefined>(undefined, { description: "call context" });

export function setCallContext(values: ContextValues, context: CallContext): void {
  values.set(contextKey, context);
}

export function callContext(values: ContextValues): CallContext {
  const context = values.get(contextKey);
  if (context === undefined) throw new Error("the handler was not called by the adapter");
  return context;
}
