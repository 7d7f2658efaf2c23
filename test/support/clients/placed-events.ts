// The events of one Start or Connect stream with offsets, checked as they arrive: each starts where
// the previous one ended, a gap names the missing bytes, and the end is at the end.

import type { ConnectResponse, ProcessEvent_EndEvent, StartResponse } from "../../../src/gen/process_pb.ts";
import { inTime } from "../deadline.ts";
import type { OutputName } from "./stream-events.ts";

export type PlacedEvent =
  | { readonly kind: "start"; readonly pid: number; readonly processId: string; readonly offset: number }
  | { readonly kind: "data"; readonly name: OutputName; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: "gap"; readonly from: number; readonly to: number }
  | { readonly kind: "end"; readonly end: ProcessEvent_EndEvent };

/**
 * A caller that stops reading aborts the stream, because Connect's streams do not notice. Yields
 * everything but keepalives, and rejects with the stream's own error if it breaks. Throws a plain
 * Error at the first event with a wrong offset, at a clean end without an end event, and when
 * nothing arrives before the deadline.
 */
export async function* placedEvents(
  stream: AsyncIterable<StartResponse | ConnectResponse>,
): AsyncGenerator<PlacedEvent, void> {
  let at: number | undefined;
  let last: PlacedEvent | undefined;
  for await (const message of eachInTime(stream, () => `nothing after ${describe(last)} at ${at}`)) {
    const event = toPlaced(message);
    if (event === undefined) continue;
    const isFirst = last === undefined;
    if (isFirst !== (event.kind === "start") || last?.kind === "end")
      throw new Error(`${describe(event)} after ${describe(last)}`);
    const { from, to } = placeOf(event);
    if (at !== undefined && from !== at) throw new Error(`${describe(event)}: due at ${at}, is at ${from}`);
    at = to;
    last = event;
    yield event;
  }
  if (last?.kind !== "end") throw new Error(`a clean end after ${describe(last)}`);
}

async function* eachInTime<T>(items: AsyncIterable<T>, state: () => string): AsyncGenerator<T, void> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = await inTime(iterator.next(), state);
    if (next.done === true) return;
    yield next.value;
  }
}

/** Undefined for a keepalive. */
function toPlaced({ event: outer }: StartResponse | ConnectResponse): PlacedEvent | undefined {
  const event = outer?.event;
  switch (event?.case) {
    case "start": {
      const { pid, processId, offset } = event.value;
      return { kind: "start", pid, processId, offset: Number(offset) };
    }
    case "data": {
      const { output, offset } = event.value;
      if (output.case === undefined) throw new Error(`data of no kind at ${offset}`);
      return { kind: "data", name: output.case, offset: Number(offset), data: output.value };
    }
    case "gap":
      return { kind: "gap", from: Number(event.value.from), to: Number(event.value.to) };
    case "end":
      return { kind: "end", end: event.value };
    case "keepalive":
      return undefined;
    default:
      throw new Error(`an event of unknown kind: ${JSON.stringify(event)}`);
  }
}

function placeOf(event: PlacedEvent): { readonly from: number; readonly to: number } {
  if (event.kind === "gap") return event;
  if (event.kind === "end") return { from: Number(event.end.offset), to: Number(event.end.offset) };
  if (event.kind === "start") return { from: event.offset, to: event.offset };
  return { from: event.offset, to: event.offset + event.data.length };
}

function describe(event: PlacedEvent | undefined): string {
  if (event === undefined) return "nothing";
  return event.kind === "data" ? `${event.data.length} bytes of ${event.name}` : event.kind;
}

/** The content of a whole stream. */
export interface PlacedStream {
  readonly processId: string;
  readonly pid: number;
  /** Where it started. */
  readonly offset: number;
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  /** In Latin-1; only the streams that had output. */
  readonly output: Readonly<Partial<Record<OutputName, string>>>;
  /** Set if the stream was read to its end. */
  readonly end: ProcessEvent_EndEvent | undefined;
}

/**
 * Reads to the end of the stream, or until `bytes` of output have arrived and then leaves. For
 * streams that are short enough to keep.
 */
export async function readPlaced(
  open: (options: { readonly signal: AbortSignal }) => AsyncIterable<StartResponse | ConnectResponse>,
  bytes = Number.POSITIVE_INFINITY,
): Promise<PlacedStream> {
  const leaving = new AbortController();
  const gaps: { from: number; to: number }[] = [];
  const output: Partial<Record<OutputName, string>> = {};
  let begun = { processId: "", pid: 0, offset: -1 };
  let end: ProcessEvent_EndEvent | undefined;
  let left = bytes;
  for await (const event of placedEvents(open({ signal: leaving.signal }))) {
    if (event.kind === "end") end = event.end;
    if (event.kind === "start") {
      const { processId, pid, offset } = event;
      begun = { processId, pid, offset };
    }
    if (event.kind === "gap") gaps.push({ from: event.from, to: event.to });
    if (event.kind === "data") {
      output[event.name] = (output[event.name] ?? "") + Buffer.from(event.data).toString("latin1");
      left -= event.data.length;
    }
    if (left <= 0) break;
  }
  leaving.abort();
  return { ...begun, gaps, output, end };
}
