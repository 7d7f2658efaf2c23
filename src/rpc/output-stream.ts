// Streams one process's output to one attached client: the single path that Start and Connect share. A subscriber of
// the multiplexer on one side, a response on the other; no promise, iterator or timer per chunk in between.
//
// What counts as delivered is decided here: what the connection has taken (FrameSink.write). A frame that was in flight
// when the client vanished is not, and the next subscriber gets it.

import type { Subscriber } from "../multiplexer/index.ts";
import { type Process, type ProcessEnd, startTimer, type Timer } from "../process/index.ts";
import { type Codec, dataFrame, type FramePart, keepaliveFrame } from "./event-frames.ts";
import { createFrameSink, type FrameSink, type NodeResponse } from "./frame-sink.ts";

/**
 * One chunk a write, so that what a connection has taken is known to the frame: of several at once, those taken before it
 * broke would be sent again to the next client. A client that is behind finds short chunks gathered (OutputWindow).
 */
const ONE_CHUNK = 1;

/** How streaming ended: with the process, or with a client that is gone. */
export type StreamOutcome = { readonly kind: "end"; readonly end: ProcessEnd } | { readonly kind: "gone" };

export interface OutputStreamOptions {
  readonly codec: Codec;
  readonly keepaliveMs: number;
  /** Aborted when the client is gone or its time is up. Nothing of this stream is left then, whatever it was doing. */
  readonly signal: AbortSignal;
}

/**
 * Attaches to `process` at once, so that it runs on; sends nothing before `run`. Detaches when `signal` aborts, when
 * `run` resolves, or by `detach`, whichever is first.
 */
export class OutputStream {
  readonly #subscriber: Subscriber<ProcessEnd>;
  readonly #process: Process;
  readonly #options: OutputStreamOptions;
  readonly #onAbort = () => this.#settle({ kind: "gone" });
  #sink: FrameSink | undefined;
  #resolve: ((outcome: StreamOutcome) => void) | undefined;
  #outcome: StreamOutcome | undefined;
  #keepalive: Timer | undefined;
  #lastWriteAt = 0;
  #writing = false;

  constructor(process: Process, options: OutputStreamOptions) {
    this.#process = process;
    this.#options = options;
    this.#subscriber = process.output.fork(() => this.#pump());
    if (options.signal.aborted) this.#onAbort();
    else options.signal.addEventListener("abort", this.#onAbort);
  }

  /**
   * Sends output and KeepAlives until the process's end event is due (the caller sends it) or the client is gone. Call
   * it once, when the response's head and the start event are on their way.
   */
  run(response: NodeResponse): Promise<StreamOutcome> {
    return new Promise((resolve) => {
      if (this.#outcome !== undefined) return resolve(this.#outcome);
      this.#resolve = resolve;
      this.#sink = createFrameSink(response);
      this.#lastWriteAt = performance.now();
      this.#keepalive = startTimer(this.#options.keepaliveMs, () => this.#keepAlive());
      this.#pump();
    });
  }

  /** Leaves nothing behind. A second call does nothing. */
  detach(): void {
    this.#settle({ kind: "gone" });
  }

  /** Sends what there is, one write at a time: what comes in meanwhile goes out together with the next. */
  #pump(): void {
    if (this.#sink === undefined || this.#writing) return;
    const read = this.#subscriber.read(ONE_CHUNK);
    if (read.kind === "empty") return;
    if (read.kind === "end") {
      this.#settle(read);
      return;
    }
    const { codec } = this.#options;
    const shared = this.#process.output.subscriberCount > 1;
    this.#write(
      this.#sink,
      read.chunks.flatMap((chunk) => dataFrame(chunk, codec, shared)),
    );
  }

  #write(sink: FrameSink, parts: readonly FramePart[]): void {
    this.#writing = true;
    this.#lastWriteAt = performance.now();
    sink.write(parts, (error) => {
      this.#writing = false;
      if (this.#outcome !== undefined) return;
      if (error) return this.#settle({ kind: "gone" });
      this.#subscriber.taken();
      this.#pump();
    });
  }

  /** A connection that is still busy with the last write is not idle, and a KeepAlive would only queue behind it. */
  #keepAlive(): void {
    const { codec, keepaliveMs } = this.#options;
    const idleMs = this.#writing ? 0 : performance.now() - this.#lastWriteAt;
    if (idleMs >= keepaliveMs && this.#sink !== undefined) this.#write(this.#sink, keepaliveFrame[codec]);
    const dueMs = idleMs >= keepaliveMs ? keepaliveMs : keepaliveMs - idleMs;
    this.#keepalive = startTimer(dueMs, () => this.#keepAlive());
  }

  #settle(outcome: StreamOutcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#keepalive?.cancel();
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#subscriber.detach();
    this.#resolve?.(outcome);
  }
}
