// The eight RPCs of process.Process: each checks its message, finds its process and hands over.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import {
  type ConnectRequest,
  type ProcessEventSchema,
  Process as ProcessService,
  type SendInputRequest,
  type StartRequest,
  type StreamInputRequest,
} from "../gen/process_pb.ts";
import type { NodeResponse } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import { type Offset, offset } from "../multiplexer/index.ts";
import type { Process, ProcessEnd, ProcessTable } from "../process/index.ts";
import { callOf } from "./call-context.ts";
import type { Records } from "./client-activity.ts";
import {
  toDetailedEnd,
  toDetails,
  toInput,
  toInputPlace,
  toOffset,
  toProcessInfo,
  toPtySize,
  toSelector,
  toSignal,
  toSkips,
  toStartRequest,
  toWholeGroup,
} from "./conversions.ts";
import { toConnectError } from "./error-mapping.ts";
import { AttachedStream } from "./output/attached-stream.ts";
import { ProgressWatch } from "./output/progress-watch.ts";
import { basicUser, keepaliveMs } from "./request-headers.ts";
import type { DetachReason } from "./server-statistics.ts";
import type { ServingState } from "./serving-state.ts";

/** How long a stream that was cut may take to accept the news. */
const CUT_LINGER_MS = 10_000;

export interface ProcessServiceOptions {
  readonly table: ProcessTable;
  readonly logger: Logger;
  readonly records: Records;
  /** Once it stops, new streams are refused. */
  readonly serving: ServingState;
  readonly maxStreamsPerProcess: number;
}

interface StreamSettings extends ProcessServiceOptions {
  readonly progressWatch: ProgressWatch;
}

/** How much input was accepted, for those who said where theirs begins: others do not know the field. */
type Accepted = { offset?: bigint };
type Event = { event: MessageInitShape<typeof ProcessEventSchema> };

export function processRoutes(options: ProcessServiceOptions): (router: ConnectRouter) => void {
  const { table, logger, records } = options;
  const fail = (error: unknown, { method }: HandlerContext): ConnectError => {
    const failure = toConnectError(error, logger);
    records.refusedCall(method.name, failure);
    return failure;
  };
  const settings = { ...options, progressWatch: new ProgressWatch(table.stallMs) };
  const unary = <Request, Response>(
    answer: (request: Request, context: HandlerContext) => Response | Promise<Response>,
  ) => {
    return async (request: Request, context: HandlerContext): Promise<Response> => {
      try {
        const answering = Promise.resolve(request).then((request) => answer(request, context));
        return await beforeAbort(answering, context.signal);
      } catch (error) {
        throw fail(error, context);
      }
    };
  };
  const streaming = <Request>(
    stream: (request: Request, context: HandlerContext) => AsyncIterable<Event>,
  ) => {
    return async function* (request: Request, context: HandlerContext): AsyncIterable<Event> {
      try {
        if (options.serving.isStopping) throw new HoldfastError("unavailable", "the agent is shutting down");
        yield* stream(request, context);
      } catch (error) {
        throw fail(error, context);
      }
    };
  };
  return (router) => {
    router.service(ProcessService, {
      list: unary(({ includeEnded }) => ({
        // Who asks for ended ones knows the additions, others must not see them.
        processes: includeEnded
          ? [...table.listEnded(), ...table.list()].map((process) => ({
              ...toProcessInfo(process),
              ...toDetails(process),
            }))
          : table.list().map(toProcessInfo),
      })),
      start: streaming((request, context) => start(settings, request, context)),
      connect: streaming((request, context) => connect(settings, request, context)),
      update: unary(({ process, pty }) => {
        table.find(toSelector(process)).resize(toPtySize(pty));
        return {};
      }),
      sendInput: unary((request) => sendInput(table, request)),
      streamInput: unary((requests, { values }) =>
        streamInput(table, requests, callOf(values).releaseRequest),
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

async function* start(
  { table, ...settings }: StreamSettings,
  request: StartRequest,
  context: HandlerContext,
): AsyncIterable<Event> {
  // Before anything is started: a header refused later would leave a process nobody asked for.
  const keepalive = keepaliveMs(context.requestHeader);
  const user = basicUser(context.requestHeader);
  const process = await table.start(toStartRequest(request, user, callOf(context.values).timeoutMs));
  // Whoever repeats a start gets all that the first one got, or should have got.
  const from = request.startId === undefined ? undefined : offset(0);
  const end = yield* stream(
    process,
    { from, offsets: request.offsets, skips: false, keepaliveMs: keepalive, ...settings },
    context,
  );
  if (process.deadlinePassed)
    throw new HoldfastError("deadline_exceeded", `process ${process.pid} was killed: its time was up`);
  yield endEvent(process, end, request.offsets);
}

async function* connect(
  { table, ...settings }: StreamSettings,
  request: ConnectRequest,
  context: HandlerContext,
): AsyncIterable<Event> {
  const keepalive = keepaliveMs(context.requestHeader);
  const process = table.findRetained(toSelector(request.process));
  const from = toOffset("from_offset", request.fromOffset);
  const offsets = request.offsets || from !== undefined;
  const skips = toSkips(request.lag);
  const end = yield* stream(process, { from, offsets, skips, keepaliveMs: keepalive, ...settings }, context);
  yield endEvent(process, end, offsets);
}

interface StreamRequest {
  readonly from: Offset | undefined;
  readonly offsets: boolean;
  readonly skips: boolean;
  readonly keepaliveMs: number;
  readonly maxStreamsPerProcess: number;
  readonly progressWatch: ProgressWatch;
  readonly records: Records;
  readonly serving: ServingState;
}

/** From the start event to the end of output: what Start and Connect share. Returns how the process ended. */
async function* stream(
  process: Process,
  { from, offsets, skips, keepaliveMs, maxStreamsPerProcess, progressWatch, records, serving }: StreamRequest,
  context: HandlerContext,
): AsyncGenerator<Event, ProcessEnd> {
  const { response, codec } = callOf(context.values);
  const { signal } = context;
  const attached = process.output.subscriberCount;
  if (attached >= maxStreamsPerProcess)
    throw new HoldfastError(
      "resource_exhausted",
      `process ${process.pid} has ${attached} streams, as many as one may have (--max-streams-per-process)`,
    );
  const output = new AttachedStream(process, {
    encoding: { codec, offsets },
    from,
    skips,
    keepaliveMs,
    progressWatch,
    onGap: (from, to) => records.gap(from, to),
    signal,
  });
  records.attached(process, output.start, from !== undefined);
  let reason: DetachReason = "gone";
  try {
    yield startEvent(process, output.start, offsets);
    // Asked for more, the library has handed the start event to the response: what follows may go past it.
    const outcome = await output.run(response);
    reason = outcome.kind;
    if (outcome.kind === "end") return outcome.end;
    if (outcome.kind === "gone") throw ConnectError.from(signal.reason, Code.Canceled);
    closeSoon(response);
    throw new HoldfastError(
      "resource_exhausted",
      `this stream accepted nothing while others waited for it: cut at offset ${outcome.offset}`,
    );
  } finally {
    output.detach();
    const isOurs = reason === "gone" && serving.isStopping;
    records.detached(process, isOurs ? "stopped" : reason, output.takenTo);
  }
}

/** A client that takes nothing will not take the news that it was cut either, nor close its connection. */
function closeSoon(response: NodeResponse): void {
  const timer = startTimer(CUT_LINGER_MS, () => response.destroy());
  response.once("close", () => timer.cancel());
}

function startEvent({ pid, processId, request }: Process, start: Offset, offsets: boolean): Event {
  const details = offsets ? { processId, offset: BigInt(start), pty: request.stdio.kind === "pty" } : {};
  return { event: { event: { case: "start", value: { pid, ...details } } } };
}

function endEvent(process: Process, end: ProcessEnd, offsets: boolean): Event {
  return { event: { event: { case: "end", value: offsets ? toDetailedEnd(process, end) : end } } };
}

async function sendInput(table: ProcessTable, request: SendInputRequest): Promise<Accepted> {
  const { kind, data } = toInput(request.input);
  const place = toInputPlace(request.offset, request.writer);
  const selector = toSelector(request.process);
  if (place === undefined) {
    await table.find(selector).write(kind, data);
    return {};
  }
  // Also an ended one: whoever repeats what that accepted before shall learn so.
  return { offset: BigInt(await table.findRetained(selector).write(kind, data, place)) };
}

/** Reads on only when the process has taken the last piece: a slow process slows its client, and nothing piles up. */
async function streamInput(
  table: ProcessTable,
  requests: AsyncIterable<StreamInputRequest>,
  releaseRequest: () => void,
): Promise<Accepted> {
  let target: Process | undefined;
  let answer: Accepted = {};
  for await (const { event } of requests) {
    releaseRequest();
    if (event.case === undefined)
      throw new HoldfastError("unimplemented", "an event of an unknown kind: give start, data or keepalive");
    if (event.case === "start") {
      if (target !== undefined)
        throw new HoldfastError("invalid_argument", "a second start event: one stream feeds one process");
      target = table.find(toSelector(event.value.process));
      continue;
    }
    if (target === undefined)
      throw new HoldfastError("invalid_argument", `the first event is ${event.case}, must be start`);
    if (event.case === "keepalive") continue;
    const { kind, data } = toInput(event.value.input);
    const place = toInputPlace(event.value.offset, undefined);
    const accepted = await target.write(kind, data, place);
    if (place !== undefined) answer = { offset: BigInt(accepted) };
  }
  if (target === undefined)
    throw new HoldfastError("invalid_argument", "the stream ended without a start event");
  return answer;
}

/**
 * What `answer` resolves to, unless the client's limit runs out before or it leaves. Input that waits then goes on waiting:
 * what was accepted is written.
 */
function beforeAbort<Response>(answer: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(ConnectError.from(signal.reason, Code.Canceled));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
