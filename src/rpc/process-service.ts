// The eight RPCs of process.Process: each checks its message, finds its process and hands over.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { HoldfastError } from "../errors.ts";
import {
  type ConnectRequest,
  type ProcessEventSchema,
  Process as ProcessService,
  type SendInputRequest,
  type StartRequest,
  type StreamInputRequest,
} from "../gen/process_pb.ts";
import type { Logger } from "../logger.ts";
import type { Process, ProcessEnd, ProcessTable } from "../process/index.ts";
import { callOf } from "./call.ts";
import { toInput, toProcessInfo, toPtySize, toSelector, toSignal, toStartRequest } from "./conversions.ts";
import { toConnectError } from "./error-mapping.ts";
import { OutputStream } from "./output-stream.ts";
import { basicUser, keepaliveMs } from "./request-headers.ts";

export interface ProcessServiceOptions {
  readonly table: ProcessTable;
  readonly logger: Logger;
  /** Whether new streams are refused: the agent is shutting down. */
  readonly isStopping: () => boolean;
}

type Event = { event: MessageInitShape<typeof ProcessEventSchema> };

export function processRoutes(options: ProcessServiceOptions): (router: ConnectRouter) => void {
  const { table, logger } = options;
  const unary = <Request, Response>(answer: (request: Request) => Response | Promise<Response>) => {
    return async (request: Request, { signal }: HandlerContext): Promise<Response> => {
      try {
        return await beforeAbort(Promise.resolve(request).then(answer), signal);
      } catch (error) {
        throw toConnectError(error, logger);
      }
    };
  };
  const streaming = <Request>(
    stream: (request: Request, context: HandlerContext) => AsyncIterable<Event>,
  ) => {
    return async function* (request: Request, context: HandlerContext): AsyncIterable<Event> {
      try {
        if (options.isStopping()) throw new HoldfastError("unavailable", "the agent is shutting down");
        yield* stream(request, context);
      } catch (error) {
        throw toConnectError(error, logger);
      }
    };
  };
  return (router) => {
    router.service(ProcessService, {
      list: unary(() => ({ processes: table.list().map(toProcessInfo) })),
      start: streaming((request, context) => start(table, request, context)),
      connect: streaming((request, context) => connect(table, request, context)),
      update: unary(({ process, pty }) => {
        table.find(toSelector(process)).resize(toPtySize(pty));
        return {};
      }),
      sendInput: unary((request) => sendInput(table, request)),
      streamInput: unary((requests) => streamInput(table, requests)),
      sendSignal: unary(({ process, signal }) => {
        table.find(toSelector(process)).signal(toSignal(signal));
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
  table: ProcessTable,
  request: StartRequest,
  context: HandlerContext,
): AsyncIterable<Event> {
  // Before anything is started: a header refused later would leave a process nobody asked for.
  const keepalive = keepaliveMs(context.requestHeader);
  const user = basicUser(context.requestHeader);
  const process = await table.start(toStartRequest(request, user, callOf(context.values).timeoutMs));
  const end = yield* stream(process, keepalive, context);
  if (process.deadlinePassed)
    throw new HoldfastError("deadline_exceeded", `process ${process.pid} was killed: its time was up`);
  yield endEvent(end);
}

async function* connect(
  table: ProcessTable,
  request: ConnectRequest,
  context: HandlerContext,
): AsyncIterable<Event> {
  const keepalive = keepaliveMs(context.requestHeader);
  yield endEvent(yield* stream(table.find(toSelector(request.process)), keepalive, context));
}

/** From the start event to the end of output: what Start and Connect share. Returns how the process ended. */
async function* stream(
  process: Process,
  keepalive: number,
  context: HandlerContext,
): AsyncGenerator<Event, ProcessEnd> {
  const { response, codec } = callOf(context.values);
  const output = new OutputStream(process, { codec, keepaliveMs: keepalive, signal: context.signal });
  try {
    yield { event: { event: { case: "start", value: { pid: process.pid } } } };
    // Asked for more, the library has handed the start event to the response: what follows may go past it.
    const outcome = await output.run(response);
    if (outcome.kind === "gone") throw ConnectError.from(context.signal.reason, Code.Canceled);
    return outcome.end;
  } finally {
    output.detach();
  }
}

function endEvent(end: ProcessEnd): Event {
  return { event: { event: { case: "end", value: end } } };
}

async function sendInput(table: ProcessTable, request: SendInputRequest): Promise<Record<string, never>> {
  const { kind, data } = toInput(request.input);
  await table.find(toSelector(request.process)).write(kind, data);
  return {};
}

/** Reads on only when the process has taken the last piece: a slow process slows its client, and nothing piles up. */
async function streamInput(
  table: ProcessTable,
  requests: AsyncIterable<StreamInputRequest>,
): Promise<Record<string, never>> {
  let target: Process | undefined;
  for await (const { event } of requests) {
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
    await target.write(kind, data);
  }
  if (target === undefined)
    throw new HoldfastError("invalid_argument", "the stream ended without a start event");
  return {};
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
