// A multiplexer to write short tests with: output is text, reads are text, the gate's transitions are kept, and the
// invariants are checked after every step.

import { Multiplexer, type OutputStream, type Subscriber } from "../../src/multiplexer/index.ts";

interface End {
  readonly status: string;
}

/** What a read found: the text of its chunks, or one of these. */
export const EMPTY = "(empty)";
export const END = "(end)";

export class CheckedMultiplexer {
  readonly raw: Multiplexer<End>;
  /** All that onReading was told. */
  readonly gate: boolean[] = [];
  #depth = 0;

  constructor(windowBytes = 10_000) {
    this.raw = new Multiplexer({ windowBytes, onReading: (reading) => this.gate.push(reading) });
  }

  push(text: string, stream: OutputStream = "stdout"): void {
    this.step(() => this.raw.push(stream, Buffer.from(text)));
  }

  finish(status = "exit status 0"): void {
    this.step(() => this.raw.finish({ status }));
  }

  /** `onReadable` gets the client itself. */
  attach(onReadable?: (client: Client) => void): Client {
    return this.step(() => new Client(this, onReadable));
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
  readonly #multiplexer: CheckedMultiplexer;

  constructor(multiplexer: CheckedMultiplexer, onReadable?: (client: Client) => void) {
    this.#multiplexer = multiplexer;
    this.subscriber = multiplexer.raw.fork(() => {
      this.wakings++;
      onReadable?.(this);
    });
  }

  read(maxBytes = 1_000_000): string {
    return this.#multiplexer.step(() => {
      const read = this.subscriber.read(maxBytes);
      if (read.kind === "chunks") return read.chunks.map((chunk) => chunk.data.toString()).join("");
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

  detach(): void {
    this.#multiplexer.step(() => this.subscriber.detach());
  }
}
