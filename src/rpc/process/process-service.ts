// The routes of process.Process. The unary RPCs are answered here; output-calls.ts streams output and input-calls.ts
// accepts input. Each RPC checks its message, finds its process and calls src/process.

import type { ConnectRouter } from "@connectrpc/connect";
import { Process as ProcessService } from "../../gen/process_pb.ts";
import type { ProcessTable } from "../../process/index.ts";
import type { FramesInFlight } from "../output/frames-in-flight.ts";
import type { OutputStreams } from "../output/output-streams.ts";
import type { ProgressWatch } from "../output/progress-watch.ts";
import { callContext, type RpcContext } from "../protocol/call-context.ts";
import { toPtySize, toSelector, toSignal, toWholeGroup } from "./conversions.ts";
import { type CallGuards, guardedCalls } from "./guarded-calls.ts";
import { sendInput, streamInput } from "./input-calls.ts";
import { connect, start } from "./output-calls.ts";
import { listProcesses } from "./process-list.ts";
import { refuseSignal } from "./scope-rules.ts";
import { seenBy } from "./seen-processes.ts";

export interface ProcessServiceOptions extends CallGuards {
  readonly table: ProcessTable;
  /** The agent's, for clients that ask for it. */
  readonly version: string;
  /** How many connections clients have. */
  readonly connections: () => number;
  readonly maxStreamsPerProcess: number;
  readonly keepaliveMs: number;
  readonly progressWatch: ProgressWatch;
  readonly framesInFlight: FramesInFlight;
  readonly streams: OutputStreams;
}

export function processRoutes(options: ProcessServiceOptions): (router: ConnectRouter) => void {
  const { table } = options;
  const { unary, streaming } = guardedCalls(options);
  const seen = (values: RpcContext["values"]) => seenBy(callContext(values).grant, table);
  return (router) => {
    router.service(ProcessService, {
      list: unary((request, { values }) => listProcesses(options, request, callContext(values).grant)),
      start: streaming((request, context) => start(options, request, context)),
      connect: streaming((request, context) => connect(options, request, context)),
      update: unary(({ process, pty }, { values }) => {
        seen(values).find(toSelector(process)).resize(toPtySize(pty));
        return {};
      }),
      sendInput: unary((request, { values, signal }) =>
        sendInput(seen(values), request, callContext(values).releaseRequest, signal),
      ),
      streamInput: unary((requests, { values, signal }) => streamInput(seen(values), requests, signal)),
      sendSignal: unary(({ process, signal, scope }, { values }) => {
        const target = seen(values).find(toSelector(process));
        const number = toSignal(signal);
        refuseSignal(callContext(values).grant, number);
        if (toWholeGroup(scope)) target.signalGroup(number);
        else target.signal(number);
        return {};
      }),
      closeStdin: unary(({ process }, { values }) => {
        seen(values).find(toSelector(process)).closeStdin();
        return {};
      }),
    });
  };
}
