// Wraps the handler of every RPC: its errors are mapped to the wire and counted, it ends when its
// client leaves, and its stream carries the headers that proxies need.

import { Code, ConnectError } from "@connectrpc/connect";
import { HoldfastError } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import type { ClientActivity } from "../client-activity.ts";
import { toConnectError } from "../error-mapping.ts";
import type { RpcContext } from "../protocol/call-context.ts";
import type { ServingState } from "../serving-state.ts";
import { setStreamHeaders } from "../stream-headers.ts";

export interface CallGuards {
  readonly logger: Logger;
  readonly activity: ClientActivity;
  /** Once it stops, new streams are refused. */
  readonly serving: ServingState;
}

export interface GuardedCalls {
  unary<Request, Response>(
    answer: (request: Request, context: RpcContext) => Response | Promise<Response>,
  ): (request: Request, context: RpcContext) => Promise<Response>;
  streaming<Request, Event>(
    stream: (request: Request, context: RpcContext) => AsyncIterable<Event>,
  ): (request: Request, context: RpcContext) => AsyncIterable<Event>;
}

export function guardedCalls({ logger, activity, serving }: CallGuards): GuardedCalls {
  const failCall = (error: unknown, { method }: RpcContext): ConnectError => {
    const failure = toConnectError(error, logger);
    activity.refusedCall(method.name, failure);
    return failure;
  };
  return {
    unary: (answer) => async (request, context) => {
      try {
        const answering = Promise.resolve(request).then((request) => answer(request, context));
        return await beforeAbort(answering, context.signal);
      } catch (error) {
        throw failCall(error, context);
      }
    },
    streaming: (stream) =>
      async function* (request, context) {
        try {
          // Before the first event: it takes the headers with it.
          setStreamHeaders(context.responseHeader);
          if (serving.isStopping) throw new HoldfastError("unavailable", "the agent is shutting down");
          yield* stream(request, context);
        } catch (error) {
          throw failCall(error, context);
        }
      },
  };
}

/**
 * Resolves as `answer` does. Rejects when the client leaves or its time limit passes first; input that waits at that
 * moment continues to wait, because input that was accepted is written.
 */
function beforeAbort<Response>(answer: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(ConnectError.from(signal.reason, Code.Canceled));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
