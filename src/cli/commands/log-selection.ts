// The parts of the output that `holdfast logs` prints: the last lines, the output since a time, and its times. No I/O.

import type { DataEvent, OutputEvent, OutputTime } from "../../client/index.ts";

const LINE_FEED = 0x0a;

/** The last `lines` lines of all streams together. A last line without a line break counts; gaps stay where they are. */
export function lastLines(events: readonly OutputEvent[], lines: number): OutputEvent[] {
  if (lines === 0) return [];
  let left = lines;
  let isEnd = true;
  const kept: OutputEvent[] = [];
  for (const event of [...events].reverse()) {
    if (event.kind === "gap") {
      kept.unshift(event);
      continue;
    }
    for (let at = event.data.length - 1; at >= 0; at--) {
      // A line break at the end belongs to the last line; no line follows it.
      if (event.data[at] === LINE_FEED && !isEnd && --left === 0) {
        if (at + 1 < event.data.length) kept.unshift(partFrom(event, at + 1));
        return kept;
      }
      isEnd = false;
    }
    kept.unshift(event);
  }
  return kept;
}

/**
 * Without output that was certainly read before `sinceMs`. Output without a time is older than all
 * output with one.
 */
export function since(event: OutputEvent, sinceMs: number): OutputEvent | undefined {
  if (event.kind === "gap") return event;
  const first = event.times?.find(({ at, withinMs }) => at.getTime() + withinMs > sinceMs);
  if (first === undefined) return undefined;
  return partFrom(event, Math.max(0, first.offset - event.offset));
}

function partFrom(event: DataEvent, index: number): DataEvent {
  if (index === 0) return event;
  const offset = event.offset + index;
  const times = event.times && timesFrom(event.times, offset);
  return { ...event, data: event.data.subarray(index), offset, ...(times && { times }) };
}

function timesFrom(times: readonly OutputTime[], offset: number): OutputTime[] {
  const later = times.filter((time) => time.offset > offset);
  const own = times.findLast((time) => time.offset <= offset);
  return own === undefined ? later : [{ ...own, offset }, ...later];
}

/** Puts the time of its first byte before each line. Each stream has its own lines. */
export class LineStamps {
  readonly #withinLine = new Set<DataEvent["kind"]>();

  stamp(event: DataEvent): DataEvent {
    const { kind, data, offset, times = [] } = event;
    const parts: Uint8Array[] = [];
    let from = 0;
    while (from < data.length) {
      const lineEnd = data.indexOf(LINE_FEED, from);
      const to = lineEnd < 0 ? data.length : lineEnd + 1;
      if (!this.#withinLine.has(kind)) parts.push(Buffer.from(`${timeAt(times, offset + from)} `));
      parts.push(data.subarray(from, to));
      if (lineEnd < 0) this.#withinLine.add(kind);
      else this.#withinLine.delete(kind);
      from = to;
    }
    return { ...event, data: Buffer.concat(parts) };
  }
}

/** As wide as a time, so that the lines stay aligned. */
const UNKNOWN = "-".padEnd("2026-01-01T00:00:00.000Z".length);

function timeAt(times: readonly OutputTime[], offset: number): string {
  return times.findLast((time) => time.offset <= offset)?.at.toISOString() ?? UNKNOWN;
}
