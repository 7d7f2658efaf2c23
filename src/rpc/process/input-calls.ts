// The RPCs that write input: SendInput, one piece, and StreamInput, any number of pieces for one process. A piece with
// an offset may be repeated: the process receives each byte once.

import { HoldfastError } from "../../errors.ts";
import type { SendInputRequest, StreamInputRequest } from "../../gen/process_pb.ts";
import type { Process } from "../../process/index.ts";
import { toInput, toInputPlace, toSelector } from "./conversions.ts";
import type { SeenProcesses } from "./seen-processes.ts";

/** The answer: how much input was accepted. Without an offset in the request the field is absent; old clients do not know it. */
export type InputAccepted = { offset?: bigint };

/**
 * `releaseRequest` is called when the process counts the input itself. Input that has not begun when
 * `signal` aborts is dropped.
 */
export async function sendInput(
  table: SeenProcesses,
  request: SendInputRequest,
  releaseRequest: () => void,
  signal: AbortSignal,
): Promise<InputAccepted> {
  const { kind, data } = toInput(request.input);
  const place = toInputPlace(request.offset, request.writer);
  const selector = toSelector(request.process);
  // With a place also ended processes: a client that repeats accepted input must learn that it was accepted.
  const target = place === undefined ? table.find(selector) : table.findRetained(selector);
  releaseRequest();
  const accepted = await target.write(kind, data, place, signal);
  return place === undefined ? {} : { offset: BigInt(accepted) };
}

/** Reads the next piece only when the process has accepted the last one: a slow process slows its client. */
export async function streamInput(
  table: SeenProcesses,
  requests: AsyncIterable<StreamInputRequest>,
  signal: AbortSignal,
): Promise<InputAccepted> {
  let target: Process | undefined;
  let answer: InputAccepted = {};
  for await (const { event } of requests) {
    if (event.case === undefined)
      throw new HoldfastError(
        "unimplemented",
        "the event is of an unknown kind; give start, data or keepalive",
      );
    if (event.case === "start") {
      if (target !== undefined)
        throw new HoldfastError("invalid_argument", "a second start event; one stream writes to one process");
      target = table.find(toSelector(event.value.process));
      continue;
    }
    if (target === undefined)
      throw new HoldfastError("invalid_argument", `the first event is ${event.case}; it must be start`);
    if (event.case === "keepalive") continue;
    const { kind, data } = toInput(event.value.input);
    const place = toInputPlace(event.value.offset, undefined);
    const accepted = await target.write(kind, data, place, signal);
    if (place !== undefined) answer = { offset: BigInt(accepted) };
  }
  if (target === undefined)
    throw new HoldfastError("invalid_argument", "the stream ended without a start event");
  return answer;
}
