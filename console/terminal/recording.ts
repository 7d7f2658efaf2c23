// A recording of a terminal as asciicast v2, which every player reads: a line for the head, and a line for
// each piece of output with its time. Times are those at which this page received the output.

const MAX_BYTES = 64 * 1024 * 1024;

export interface CastHead {
  readonly cols: number;
  readonly rows: number;
  readonly startedAtMs: number;
  readonly title: string;
}

export interface CastEvent {
  /** Since the start of the recording. */
  readonly atMs: number;
  readonly kind: "o" | "r";
  readonly text: string;
}

export interface Cast {
  readonly cols: number;
  readonly rows: number;
  readonly events: readonly CastEvent[];
}

export class Recording {
  readonly #lines: string[];
  readonly #startedAtMs: number;
  readonly #decoder = new TextDecoder();
  #bytes = 0;

  constructor({ cols, rows, startedAtMs, title }: CastHead) {
    this.#startedAtMs = startedAtMs;
    const timestamp = Math.floor(startedAtMs / 1000);
    this.#lines = [JSON.stringify({ version: 2, width: cols, height: rows, timestamp, title })];
  }

  /** The size of the recording. */
  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#bytes >= MAX_BYTES;
  }

  /** Characters that are split between two pieces are joined. */
  output(data: Uint8Array, nowMs: number): void {
    this.#add("o", this.#decoder.decode(data, { stream: true }), nowMs);
  }

  resized(cols: number, rows: number, nowMs: number): void {
    this.#add("r", `${cols}x${rows}`, nowMs);
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #add(kind: "o" | "r", text: string, nowMs: number): void {
    if (this.isFull || text === "") return;
    const line = JSON.stringify([(nowMs - this.#startedAtMs) / 1000, kind, text]);
    this.#lines.push(line);
    this.#bytes += line.length;
  }
}

/** Throws an error that names the line if `text` is not a recording. */
export function parseCast(text: string): Cast {
  const [head = "", ...lines] = text.split("\n").filter((line) => line.trim() !== "");
  const { version, width, height } = parseLine(head, 1) as Record<string, unknown>;
  if (version !== 2 || typeof width !== "number" || typeof height !== "number")
    throw new Error("line 1 is not the head of an asciicast of version 2");
  const events = lines.flatMap((line, index): CastEvent[] => {
    const [seconds, kind, data] = parseLine(line, index + 2) as unknown[];
    if (typeof seconds !== "number" || typeof data !== "string")
      throw new Error(`line ${index + 2} is not an event of an asciicast`);
    return kind === "o" || kind === "r" ? [{ atMs: seconds * 1000, kind, text: data }] : [];
  });
  return { cols: width, rows: height, events };
}

/** Pauses above `maxPauseMs` become that long. */
export function skipIdle(events: readonly CastEvent[], maxPauseMs: number): CastEvent[] {
  let skippedMs = 0;
  let before = 0;
  return events.map((event) => {
    skippedMs += Math.max(0, event.atMs - before - maxPauseMs);
    before = event.atMs;
    return { ...event, atMs: event.atMs - skippedMs };
  });
}

function parseLine(line: string, number: number): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // This line is not JSON; the error below says so.
  }
  throw new Error(`line ${number} is not JSON`);
}
