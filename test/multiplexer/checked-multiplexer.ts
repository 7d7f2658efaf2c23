// A multiplexer for short tests: output is text, reads are text, time is a fake clock, the gate's
// transitions are recorded, and the invariants are checked after every step.

import {
  chunkEnd,
  MemoryBudget,
  Multiplexer,
  type MultiplexerOptions,
  type Offset,
  type OutputStream,
  offset,
  type Subscriber,
} from "../../src/multiplexer/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describedState } from "./described-state.ts";

interface End {
  readonly status: string;
}

/** A read returns the text of chunks, or one of these, or `(gap FROM..TO)`. */
export const EMPTY = "(empty)";
export const END = "(end)";

export const STALL_MS = 10_000;

export interface ClientOptions {
  readonly from?: number;
  readonly isObserver?: boolean;
  readonly onCut?: (offset: Offset) => void;
}

export class CheckedMultiplexer {
  readonly raw: Multiplexer<End>;
  readonly clock: FakeClock;
  /** The arguments of each call of onReading. */
  readonly gate: boolean[] = [];
  #depth = 0;
  #described: string;
  #hasReported = false;

  /** By default without replay. */
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
      onChange: () => {
        this.#hasReported = true;
        options.onChange?.();
      },
    });
    this.#described = describedState(this.raw);
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
      if (--this.#depth === 0) {
        this.raw.checkInvariants();
        this.#checkReport();
      }
    }
  }

  #checkReport(): void {
    const described = describedState(this.raw);
    if (described !== this.#described && !this.#hasReported)
      throw new Error(`an unreported change: ${this.#described} to ${described}`);
    this.#described = described;
    this.#hasReported = false;
  }
}

export class Client {
  readonly subscriber: Subscriber<End>;
  /** How often it was woken. */
  wakings = 0;
  /** The offsets that onCut was called with. */
  readonly cuts: number[] = [];
  readonly #multiplexer: CheckedMultiplexer;
  #readTo = 0;

  constructor(
    multiplexer: CheckedMultiplexer,
    onReadable?: (client: Client) => void,
    options: ClientOptions = {},
  ) {
    this.#multiplexer = multiplexer;
    this.subscriber = multiplexer.raw.fork({
      from: options.from === undefined ? undefined : offset(options.from),
      isObserver: options.isObserver,
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

  /** One chunk, or what else there is. */
  readOne(): string {
    return this.#multiplexer.step(() => this.#readNext());
  }

  /** All chunks up to the head, or one other thing. The invariants are checked once. */
  read(): string {
    return this.#multiplexer.step(() => {
      let all = this.#readNext();
      const isOutput = all !== END && all !== EMPTY && !all.startsWith("(gap");
      while (isOutput && this.#readTo < this.#multiplexer.raw.head) all += this.#readNext();
      return all;
    });
  }

  delivered(): void {
    this.#multiplexer.step(() => this.subscriber.delivered());
  }

  /** Reads all chunks up to the head, or one other thing, and reports it delivered. */
  take(): string {
    const found = this.read();
    this.delivered();
    return found;
  }

  /** The same with one chunk. */
  takeOne(): string {
    const found = this.readOne();
    this.delivered();
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

  #readNext(): string {
    const read = this.subscriber.read();
    if (read.kind === "end") return END;
    if (read.kind === "empty") return EMPTY;
    this.#readTo = read.kind === "gap" ? read.to : chunkEnd(read.chunk);
    return read.kind === "gap" ? `(gap ${read.from}..${read.to})` : read.chunk.data.toString();
  }
}
