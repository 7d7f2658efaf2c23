// The parts of its call that a handler needs: the part of Connect-ES's context that handlers use,
// and what Connect-ES does not pass to them: the response itself, its encoding, and the client's
// time limit, which on Start bounds the process and not the call.

import type { Message } from "@bufbuild/protobuf";
import { type ContextValues, createContextKey } from "@connectrpc/connect";
import type { Grant, HeaderReader, NodeResponse } from "../../http/index.ts";
import type { Codec } from "../output/event-frames.ts";
import type { EncodedMessage } from "./encoded-message.ts";

/** A part of Connect-ES's HandlerContext. Calls that the library does not handle (direct/) have only this. */
export interface RpcContext {
  readonly method: { readonly name: string };
  /** "connect", "grpc" or "grpc-web". */
  readonly protocolName: string;
  /** Aborts when the client leaves or its time limit passes. */
  readonly signal: AbortSignal;
  readonly requestHeader: HeaderReader;
  /** To be set before the first event of a stream. */
  readonly responseHeader: { set(name: string, value: string): void };
  readonly values: Pick<ContextValues, "get">;
}

export interface CallContext {
  readonly response: NodeResponse;
  readonly codec: Codec;
  /** The rights of the client's token. */
  readonly grant: Grant;
  /** Only on Start, where the adapter hides it from the library. Elsewhere `RpcContext.signal` follows it. */
  readonly timeoutMs: number | undefined;
  /** When the library ends the call by the client's time limit, as a lasting time. */
  readonly dueAtMs: number | undefined;
  /** To be called when the message is passed on to code that counts it itself (request-memory.ts). Not for a client stream: see request-body.ts. */
  readonly releaseRequest: () => void;
  /**
   * The request, if it was decoded before the library: in place of the one that the handler gets. Only once: this object lives
   * as long as the answer, and what the handler has passed on is not counted for the request.
   */
  readonly takeDecoded?: () => Message | undefined;
  /** The message of the answer, in place of the one that the handler returns. */
  readonly answerWith: (message: EncodedMessage) => void;
}

const contextKey = createContextKey<CallContext | undefined>(undefined, { description: "call context" });

export function setCallContext(values: ContextValues, context: CallContext): void {
  values.set(contextKey, context);
}

export function callContext(values: RpcContext["values"]): CallContext {
  const context = values.get(contextKey);
  if (context === undefined) throw new Error("the handler was not called by the adapter");
  return context;
}
