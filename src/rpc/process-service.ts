// The routes of process.Process. The unary RPCs are answered here; output-calls.ts streams output and input-calls.ts
// accepts input. Each RPC checks its message, finds its process and calls src/process. Every error leaves through
// `failCall`, which maps it to the wire and counts it.

import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { HoldfastError } from "../errors.ts";
import { Process as ProcessService } from "../gen/process_pb.ts";
import type { Logger } from "../logger.ts";
import type { ProcessTable } from "../process/index.ts";
import { callContext } from "./call-context.ts";
import type { ClientActivity } from "./client-activity.ts";
import { toPtySize, toSelector, toSignal, toWholeGroup } from "./conversions.ts";
import { toConnectError } from "./error-mapping.ts";
import { sendInput, streamInput } from "./input-calls.ts";
import { ProgressWatch } from "./output/progress-watch.ts";
import { connect, type StreamEvent, start } from "./output-calls.ts";
import { listProcesses } from "./process-list.ts";
import type { ServingState } from "./serving-state.ts";

/** For proxies: pass output on at once (nginx), and neither keep nor compress it. */
const STREAM_HEADERS = { "X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform" };

export interface ProcessServiceOptions {
  readonly table: ProcessTable;
  readonly logger: Logger;
  readonly activity: ClientActivity;
  /** Once it stops, new streams are refused. */
  readonly serving: ServingState;
  /** The agent's, for clients that ask for it. */
  readonly version: string;
  readonly maxStreamsPerProcess: number;
  readonly keepaliveMs: number;
}

export function processRoutes(options: ProcessServiceOptions): (router: ConnectRouter) => void {
  const { table, logger, activity } = options;
  const failCall = (error: unknown, { method }: HandlerContext): ConnectError => {
    const failure = toConnectError(error, logger);
    activity.refusedCall(method.name, failure);
    return failure;
  };
  const unary = <Request, Response>(
    answer: (request: Request, context: HandlerContext) => Response | Promise<Response>,
  ) => {
    return async (request: Request, context: HandlerContext): Promise<Response> => {
      try {
        const answering = Promise.resolve(request).then((request) => answer(request, context));
        return await beforeAbort(answering, context.signal);
      } catch (error) {
        throw failCall(error, context);
      }
    };
  };
  const streaming = <Request>(
    stream: (request: Request, context: HandlerContext) => AsyncIterable<StreamEvent>,
  ) => {
    return async function* (request: Request, context: HandlerContext): AsyncIterable<StreamEvent> {
      try {
        // Before the first event: it takes the headers with it.
        for (const [name, value] of Object.entries(STREAM_HEADERS)) context.responseHeader.set(name, value);
        if (options.serving.isStopping) throw new HoldfastError("unavailable", "the agent is shutting down");
        yield* stream(request, context);
      } catch (error) {
        throw failCall(error, context);
      }
    };
  };
  const settings = { ...options, progressWatch: new ProgressWatch(table.stallMs) };
  return (router) => {
    router.service(ProcessService, {
      list: unary((request) => listProcesses(table, request, options.version)),
      start: streaming((request, context) => start(settings, request, context)),
      connect: streaming((request, context) => connect(settings, request, context)),
      update: unary(({ process, pty }) => {
        table.find(toSelector(process)).resize(toPtySize(pty));
        return {};
      }),
      sendInput: unary((request, { values, signal }) =>
        sendInput(table, request, callContext(values).releaseRequest, signal),
      ),
      streamInput: unary((requests, { values, signal }) =>
        streamInput(table, requests, callContext(values).releaseRequest, signal),
      ),
      sendSignal: unary(({ process, signal, scope }) => {
        const target = table.find(toSelector(process));
        const number = toSignal(signal);
        if (toWholeGroup(scope)) target.signalGroup(number);
        else target.signal(number);
        return {};
      }),
      closeStdin: unary(({ process }) => {
        table.find(toSelector(process)).closeStdin();
        return {};
      }),
    });
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
