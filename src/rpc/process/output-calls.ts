// The RPCs that stream output: Start and Connect. Both send a start event, the output and the end
// event (rule 1); they differ in how they find their process. output/attached-stream.ts sends
// everything between the two events.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { HoldfastError } from "../../errors.ts";
import type { ConnectRequest, ProcessEventSchema, StartRequest } from "../../gen/process_pb.ts";
import { type Offset, offset } from "../../multiplexer/index.ts";
import type { Generation, Process, ProcessEnd, ProcessTable } from "../../process/index.ts";
import type { ClientActivity, DetachReason } from "../client-activity.ts";
import { AttachedStream } from "../output/attached-stream.ts";
import type { TerminalMessage } from "../output/event-frames.ts";
import type { FramesInFlight } from "../output/frames-in-flight.ts";
import { carriableSocket, type OutputStreams } from "../output/output-streams.ts";
import type { ProgressWatch } from "../output/progress-watch.ts";
import { closeSoon, cutError, timeLimitError } from "../output/stream-errors.ts";
import { callContext, type RpcContext } from "../protocol/call-context.ts";
import { basicUser, keepaliveMs } from "../request-headers.ts";
import type { ServingState } from "../serving-state.ts";
import {
  isObserver,
  toDetailedEnd,
  toOffset,
  toSelector,
  toStartRequest,
  toTerminal,
} from "./conversions.ts";
import { refuseUser } from "./scope-rules.ts";
import { type SeenProcesses, seenBy } from "./seen-processes.ts";

/** One message of a Start or Connect stream, before it is encoded. */
export type StreamEvent = { event: MessageInitShape<typeof ProcessEventSchema> };

export interface OutputCallSettings {
  readonly table: ProcessTable;
  readonly activity: ClientActivity;
  readonly serving: ServingState;
  readonly maxStreamsPerProcess: number;
  readonly keepaliveMs: number;
  readonly progressWatch: ProgressWatch;
  readonly framesInFlight: FramesInFlight;
  readonly streams: OutputStreams;
}

export async function* start(
  settings: OutputCallSettings,
  request: StartRequest,
  context: RpcContext,
): AsyncIterable<StreamEvent> {
  // Headers are checked before the start: a header refused later would leave a process that no
  // client knows.
  const keepalive = keepaliveMs(context.requestHeader, settings.keepaliveMs);
  const user = basicUser(context.requestHeader);
  const { grant, timeoutMs, releaseRequest } = callContext(context.values);
  refuseUser(grant, { user, uid: request.uid, group: request.group });
  const process = await settings.table.start(toStartRequest(request, user, timeoutMs));
  // The process counts its request itself.
  releaseRequest();
  // A repeated start receives everything that the first one received or should have received.
  const from = request.startId === undefined ? undefined : offset(0);
  const { terminal, notices, sizes, endOnly: isEndOnly } = request;
  const offsets = request.offsets || terminal || isEndOnly;
  if (isEndOnly) process.output.beginDetached();
  const end = yield* stream(
    process,
    {
      ...{ from, rewound: undefined, offsets, times: false, terminal, isObserver: isEndOnly, isEndOnly },
      ...{ notices, sizes, keepaliveMs: keepalive, isStart: true },
    },
    settings,
    context,
  );
  if (process.deadlinePassed) throw timeLimitError(process);
  yield endEvent(process, end, offsets);
  if (!isEndOnly) settings.table.endDelivered(process);
}

export async function* connect(
  settings: OutputCallSettings,
  request: ConnectRequest,
  context: RpcContext,
): AsyncIterable<StreamEvent> {
  const keepalive = keepaliveMs(context.requestHeader, settings.keepaliveMs);
  const { grant, releaseRequest } = callContext(context.values);
  const process = seenBy(grant, settings.table).findRetained(toSelector(request.process));
  releaseRequest();
  const asked = toOffset("from_offset", request.fromOffset);
  const rewound = rewoundFrom(asked, request.generation, process, settings.table.generation);
  const from = rewound?.now ?? asked;
  const { terminal, notices, sizes, endOnly: isEndOnly } = request;
  // A token that only observes never has influence, even if the client asks for it.
  const observes = isObserver(request.lag) || !grant.covers("attach");
  if (isEndOnly && !observes)
    throw new HoldfastError("invalid_argument", "end_only is for observers; give lag LAG_SKIP with it");
  const offsets = request.offsets || terminal || from !== undefined || isEndOnly;
  const end = yield* stream(
    process,
    {
      ...{ from, rewound, offsets, times: request.times, terminal },
      ...{ isObserver: observes, isEndOnly, notices, sizes, keepaliveMs: keepalive, isStart: false },
    },
    settings,
    context,
  );
  yield endEvent(process, end, offsets);
  if (!observes) settings.table.endDelivered(process);
}

/** The client received output up to `was`; this machine has sent the same output only up to `now`. */
interface Rewound {
  readonly was: Offset;
  readonly now: Offset;
}

/** undefined if the client can continue at `asked`, or did not name its generation. */
function rewoundFrom(
  asked: Offset | undefined,
  clientGeneration: string | undefined,
  process: Process,
  generation: Generation,
): Rewound | undefined {
  if (asked === undefined || clientGeneration === undefined) return undefined;
  const now = generation.commonTo(process, clientGeneration);
  return asked > now ? { was: asked, now } : undefined;
}

/** The options that the client asked for. */
interface StreamRequest {
  readonly from: Offset | undefined;
  readonly rewound: Rewound | undefined;
  readonly offsets: boolean;
  readonly times: boolean;
  /** Whether it asked for the state of the terminal. */
  readonly terminal: boolean;
  readonly isObserver: boolean;
  readonly isEndOnly: boolean;
  readonly notices: boolean;
  readonly sizes: boolean;
  readonly keepaliveMs: number;
  readonly isStart: boolean;
}

/** The start event and the output. Returns how the process ended. */
async function* stream(
  process: Process,
  { from, rewound, ...terms }: StreamRequest,
  {
    table,
    activity,
    serving,
    progressWatch,
    framesInFlight,
    streams,
    maxStreamsPerProcess,
  }: OutputCallSettings,
  { values, signal, protocolName: protocol }: RpcContext,
): AsyncGenerator<StreamEvent, ProcessEnd> {
  const { response, codec, grant, dueAtMs } = callContext(values);
  const { offsets, times, terminal, isObserver, isEndOnly, notices, sizes, keepaliveMs } = terms;
  checkStreamLimit(process, maxStreamsPerProcess);
  const terminalAt = terminal ? (at: Offset) => toTerminal(process, at) : undefined;
  const output = new AttachedStream(process, {
    encoding: { codec, offsets },
    from,
    times,
    isObserver,
    isEndOnly,
    sizes,
    keepaliveMs,
    progressWatch,
    framesInFlight,
    terminalAt,
    onGap: (from, to) => activity.gap(from, to),
    signal,
  });
  activity.attached(process, output.start, from !== undefined);
  const remove = streams.add(output, {
    process,
    terms: { ...terms, protocol, codec, dueAtMs, grantKey: grant.key },
    socket: carriableSocket(response, grant),
  });
  const stopNotices = notices ? serving.onStop((stopping) => output.notify(stopping)) : () => undefined;
  let reason: DetachReason = "gone";
  try {
    const details = offsets ? { seen: seenBy(grant, table), generation: table.generation.id } : undefined;
    yield startEvent(process, output.start, details, terminalAt?.(output.start));
    if (rewound !== undefined) yield rewoundEvent(rewound);
    // The library asks for more once it has handed the start event to the response. From here on, output may
    // bypass the library.
    const outcome = await output.run(response);
    reason = outcome.kind;
    if (outcome.kind === "end") return outcome.end;
    if (outcome.kind === "gone") throw ConnectError.from(signal.reason, Code.Canceled);
    closeSoon(response);
    throw cutError(outcome.offset);
  } finally {
    remove();
    stopNotices();
    output.detach();
    const endsWithAgent = reason === "gone" && serving.isStopping;
    activity.detached(process, endsWithAgent ? "stopped" : reason, output.deliveredTo);
  }
}

function checkStreamLimit({ pid, output }: Process, maxStreams: number): void {
  const attached = output.subscriberCount;
  if (attached < maxStreams) return;
  throw new HoldfastError(
    "resource_exhausted",
    `stream limit of process ${pid} reached (${maxStreams}; --max-streams-per-process)`,
  );
}

/** The additions are for clients that asked for offsets: only for these there are `details`. */
function startEvent(
  process: Process,
  start: Offset,
  details: { readonly seen: SeenProcesses; readonly generation: string } | undefined,
  terminal: TerminalMessage | undefined,
): StreamEvent {
  const { pid, processId, request } = process;
  if (details === undefined) return { event: { event: { case: "start", value: { pid } } } };
  const { stdio } = request;
  const value = {
    pid,
    processId,
    offset: BigInt(start),
    pty: stdio.kind === "pty",
    generation: details.generation,
    sameTag: details.seen.countSameTag(process),
    acceptsInput: stdio.kind === "pty" || stdio.stdin,
    ...(terminal && { terminal }),
  };
  return { event: { event: { case: "start", value } } };
}

function rewoundEvent({ was, now }: Rewound): StreamEvent {
  return { event: { event: { case: "rewound", value: { was: BigInt(was), now: BigInt(now) } } } };
}

function endEvent(process: Process, end: ProcessEnd, offsets: boolean): StreamEvent {
  return { event: { event: { case: "end", value: offsets ? toDetailedEnd(process, end) : end } } };
}
