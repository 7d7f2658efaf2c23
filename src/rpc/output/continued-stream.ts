// Continues a stream of output that another image of the agent began, to its end: output, end event, end of the
// stream in the format of its protocol, end of the response. The connection is then free for the next request.

import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { ConnectResponseSchema } from "../../gen/process_pb.ts";
import { type BusyConnection, enveloped, type Grant, keepEarly } from "../../http/index.ts";
import type { Logger } from "../../logger.ts";
import { offset } from "../../multiplexer/index.ts";
import type { Process, ProcessEnd, ProcessTable } from "../../process/index.ts";
import type { ClientActivity } from "../client-activity.ts";
import { toConnectError } from "../error-mapping.ts";
import { toDetailedEnd, toTerminal } from "../process/conversions.ts";
import type { ServingState } from "../serving-state.ts";
import { AttachedStream, type StreamOutcome } from "./attached-stream.ts";
import { endResponse, limitError, limitTime, limitToToken, writeChunk } from "./carried-response.ts";
import { createChunkedSink } from "./frame-sink.ts";
import type { FramesInFlight } from "./frames-in-flight.ts";
import type { OutputStreams } from "./output-streams.ts";
import type { ProgressWatch } from "./progress-watch.ts";
import { closeSoon, cutError, timeLimitError } from "./stream-errors.ts";
import type { StreamState, StreamTerms } from "./stream-state.ts";

export interface ContinuedStreamSettings {
  readonly table: ProcessTable;
  readonly activity: ClientActivity;
  readonly serving: ServingState;
  readonly progressWatch: ProgressWatch;
  readonly framesInFlight: FramesInFlight;
  readonly streams: OutputStreams;
  readonly logger: Logger;
}

/** Attaches at once. Returns the function that begins to send. */
export function continueStream(
  state: StreamState,
  process: Process,
  connection: BusyConnection,
  grant: Grant | undefined,
  settings: ContinuedStreamSettings,
): () => Promise<void> {
  const { table, activity, serving, progressWatch, framesInFlight, streams, logger } = settings;
  const { socket } = connection;
  const { codec, offsets, terminal } = state;
  const gone = new AbortController();
  const leave = () => gone.abort();
  const limit = limitTime(state.dueAtMs, leave);
  const stream = new AttachedStream(process, {
    encoding: { codec, offsets },
    from: offset(state.deliveredTo),
    begun: state,
    times: state.times,
    isObserver: state.isObserver,
    isEndOnly: state.isEndOnly,
    sizes: state.sizes === true,
    keepaliveMs: state.keepaliveMs,
    progressWatch,
    framesInFlight,
    terminalAt: terminal ? (at) => toTerminal(process, at) : undefined,
    onGap: (from, to) => activity.gap(from, to),
    signal: gone.signal,
  });
  const early = keepEarly(socket, state.early);
  const remove = streams.add(stream, { process, terms: termsOf(state), socket, early });
  const stopNotices = state.notices ? serving.onStop((stopping) => stream.notify(stopping)) : () => undefined;
  // A client whose side ends is gone: it cannot send the next request before this response ends.
  socket.once("end", leave).once("close", leave);
  return async () => {
    const ended = stream.continue(createChunkedSink(socket));
    // Not before: the rest of a frame that the image before began is sent in any case.
    const token = limitToToken(grant, socket, leave);
    const outcome = await ended;
    limit.timer?.cancel();
    stopNotices();
    remove();
    activity.detached(
      process,
      outcome.kind === "gone" && serving.isStopping ? "stopped" : outcome.kind,
      stream.deliveredTo,
    );
    const error = limitError(limit, token) ?? errorOf(outcome, state, process);
    if (outcome.kind === "gone" && error === undefined) return void socket.destroy();
    if (outcome.kind === "cut") closeSoon(socket);
    const failure = error && toConnectError(error, logger);
    if (outcome.kind === "end" && failure === undefined)
      writeChunk(socket, endFrame(process, outcome.end, state));
    socket.off("end", leave).off("close", leave);
    endResponse(connection, state.protocol, failure, early, token.stop);
    if (outcome.kind === "end" && failure === undefined && !state.isObserver) table.endDelivered(process);
  };
}

function termsOf(state: StreamState): StreamTerms {
  const { fd: _, early: __, isLastAnswer: ___, processId: ____, ...stream } = state;
  const { unsent: _____, isSizeDue: ______, ...rest } = stream;
  const { deliveredTo: _______, readTo: ________, skippedTo: _________, ...terms } = rest;
  return terms;
}

function errorOf(outcome: StreamOutcome, { isStart }: StreamState, process: Process): Error | undefined {
  if (outcome.kind === "cut") return cutError(outcome.offset);
  return outcome.kind === "end" && isStart && process.deadlinePassed ? timeLimitError(process) : undefined;
}

/** The same bytes for Start and Connect. */
function endFrame(process: Process, end: ProcessEnd, { codec, offsets }: StreamState): Buffer {
  const value = offsets ? toDetailedEnd(process, end) : end;
  const message = create(ConnectResponseSchema, { event: { event: { case: "end", value } } });
  const bytes =
    codec === "json"
      ? Buffer.from(toJsonString(ConnectResponseSchema, message))
      : toBinary(ConnectResponseSchema, message);
  return enveloped(0, bytes);
}
