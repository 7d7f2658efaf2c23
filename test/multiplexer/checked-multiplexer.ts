// A multiplexer to write short tests with: output is text, reads are text, time is a fake clock, the gate's transitions are
// kept, and the invariants are checked after every step.

import {
  MemoryBudget,
  Multiplexer,
  type MultiplexerOptions,
  type Offset,
  type OutputStream,
  offset,
  type Subscriber,
} from "../../src/multiplexer/index.ts";
import { FakeClock } from "../support/fake-clock.ts";

interface End {
  readonly status: string;
}

/** What a read found: the text of its chunks, or one of these, or `(gap FROM..TO)`. */
export const EMPTY = "(empty)";
export const END = "(end)";

export const STALL_MS = 10_000;

export interface ClientOptions {
  readonly from?: number;
  readonly skips?: boolean;
  readonly onCut?: (offset: Offset) => void;
}

export class CheckedMultiplexer {
  readonly raw: Multiplexer<End>;
  readonly clock: FakeClock;
  /** All that onReading was told. */
  readonly gate: boolean[] = [];
  #depth = 0;

  /** Unless told otherwise as it was before there was replay: what everybody has had is not held. */
  constructor(windowBytes = 10_000, options: Partial<MultiplexerOptions & { clock: FakeClock }> = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.raw = new Multiplexer({
      windowBytes,
      replayBytes: 0,
      detached: { kind: "block" },
      stallMs: STALL_MS,
      budget: new MemoryBudget(1_000_000_000),
      ...options,
      clock: this.clock,
      onReading: (reading) => {
        this.gate.push(reading);
        options.onReading?.(reading);
      },
    });
  }

  push(text: string, stream: OutputStream = "stdout"): void {
    this.step(() => this.raw.push(stream, Buffer.from(text)));
  }

  finish(status = "exit status 0"): void {
    this.step(() => this.raw.finish({ status }));
  }

  /** `onReadable` gets the client itself. */
  attach(onReadable?: (client: Client) => void, options?: ClientOptions): Client {
    return this.step(() => new Client(this, onReadable, options));
  }

  /** Without a callback. */
  attachTo(options: ClientOptions): Client {
    return this.attach(undefined, options);
  }

  advance(ms: number): void {
    this.step(() => this.clock.advance(ms));
  }

  /** From within a waking others may still be due to be woken, so only the outermost step is followed by a check. */
  step<T>(act: () => T): T {
    this.#depth++;
    try {
      return act();
    } finally {
      if (--this.#depth === 0) this.raw.checkInvariants();
    }
  }
}

export class Client {
  readonly subscriber: Subscriber<End>;
  /** How often it was woken. */
  wakings = 0;
  /** What onCut was told. */
  readonly cuts: number[] = [];
  readonly #multiplexer: CheckedMultiplexer;

  constructor(
    multiplexer: CheckedMultiplexer,
    onReadable?: (client: Client) => void,
    options: ClientOptions = {},
  ) {
    this.#multiplexer = multiplexer;
    this.subscriber = multiplexer.raw.fork({
      from: options.from === undefined ? undefined : offset(options.from),
      skips: options.skips,
      onReadable: () => {
        this.wakings++;
        onReadable?.(this);
      },
      onCut: (at) => {
        this.cuts.push(at);
        options.onCut?.(at);
      },
    });
  }

  read(maxBytes = 1_000_000): string {
    return this.#multiplexer.step(() => {
      const read = this.subscriber.read(maxBytes);
      if (read.kind === "chunks") return read.chunks.map((chunk) => chunk.data.toString()).join("");
      if (read.kind === "gap") return `(gap ${read.from}..${read.to})`;
      return read.kind === "end" ? END : EMPTY;
    });
  }

  taken(): void {
    this.#multiplexer.step(() => this.subscriber.taken());
  }

  /** Reads once and takes it. */
  take(maxBytes?: number): string {
    const found = this.read(maxBytes);
    this.taken();
    return found;
  }

  /** Reads and takes until there is nothing, so that it waits (or has the end). */
  takeAll(): string {
    let all = "";
    for (let found = this.take(); found !== EMPTY && found !== END; found = this.take()) all += found;
    return all;
  }

  progress(): void {
    this.#multiplexer.step(() => this.subscriber.progress());
  }

  detach(): void {
    this.#multiplexer.step(() => this.subscriber.detach());
  }
}
