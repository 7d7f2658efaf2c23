// Streams one process's output to one attached client: the single path that Start and Connect share. A subscriber of
// the multiplexer on one side, a response on the other; no promise, iterator or timer per chunk in between.
//
// What counts as delivered is decided here: what the connection has taken (FrameSink.write). A frame that was in flight
// when the client vanished is not, and the next subscriber gets it.

import { startTimer, type Timer } from "../../clock.ts";
import type { NodeResponse } from "../../http/index.ts";
import type { Offset, Subscriber } from "../../multiplexer/index.ts";
import type { Process, ProcessEnd } from "../../process/index.ts";
import { dataFrame, type Encoding, type FramePart, gapFrame, keepaliveFrame } from "./event-frames.ts";
import { createFrameSink, type FrameSink } from "./frame-sink.ts";
import type { ProgressWatch } from "./progress-watch.ts";

/**
 * One chunk a write, so that what a connection has taken is known to the frame: of several at once, those taken before it
 * broke would be sent again to the next client. A client that is behind finds short chunks gathered (ChunkQueue).
 */
const ONE_CHUNK = 1;

/** How streaming ended: with the process, with a client that is gone, or with one that held up others (rule 7). */
export type StreamOutcome =
  | { readonly kind: "end"; readonly end: ProcessEnd }
  | { readonly kind: "gone" }
  | { readonly kind: "cut"; readonly offset: Offset };

export interface AttachedStreamOptions {
  readonly encoding: Encoding;
  /** See Fork. */
  readonly from?: Offset | undefined;
  readonly skips?: boolean;
  readonly keepaliveMs: number;
  readonly progressWatch: ProgressWatch;
  readonly onGap: (from: Offset, to: Offset) => void;
  /** Aborted when the client is gone or its time is up. Nothing of this stream is left then, whatever it was doing. */
  readonly signal: AbortSignal;
}

/**
 * Attaches to `process` at once, so that it runs on; sends nothing before `run`. Detaches when `signal` aborts, when
 * `run` resolves, or by `detach`, whichever is first.
 */
export class AttachedStream {
  readonly #subscriber: Subscriber<ProcessEnd>;
  readonly #process: Process;
  readonly #options: AttachedStreamOptions;
  readonly #onAbort = () => this.#settle({ kind: "gone" });
  #sink: FrameSink | undefined;
  #resolve: ((outcome: StreamOutcome) => void) | undefined;
  #outcome: StreamOutcome | undefined;
  #keepalive: Timer | undefined;
  readonly #look = () => this.#noticeProgress();
  #acceptedBytes = 0;
  #lastWriteAt = 0;
  #writing = false;

  constructor(process: Process, options: AttachedStreamOptions) {
    this.#process = process;
    this.#options = options;
    this.#subscriber = process.output.fork({
      from: options.from,
      skips: options.skips,
      onReadable: () => this.#pump(),
      onCut: (offset) => this.#settle({ kind: "cut", offset }),
    });
    if (options.signal.aborted) this.#onAbort();
    else options.signal.addEventListener("abort", this.#onAbort);
  }

  /** Where it begins; a gap may come first. */
  get start(): Offset {
    return this.#subscriber.start;
  }

  /** Up to where its client has had the output. */
  get takenTo(): Offset {
    return this.#subscriber.takenTo;
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
      this.#options.progressWatch.add(this.#look);
      this.#keepalive = startTimer(this.#options.keepaliveMs, () => this.#keepAlive());
      this.#pump();
    });
  }

  /** Leaves nothing behind. A second call does nothing. */
  detach(): void {
    this.#settle({ kind: "gone" });
  }

  /** Sends what there is, one write at a time: short pieces that come in meanwhile are gathered in the window. */
  #pump(): void {
    if (this.#sink === undefined || this.#writing) return;
    const read = this.#subscriber.read(ONE_CHUNK);
    if (read.kind === "empty") return;
    if (read.kind === "end") {
      this.#settle(read);
      return;
    }
    const { encoding } = this.#options;
    if (read.kind === "gap") {
      this.#options.onGap(read.from, read.to);
      // Who did not ask for offsets could not understand it.
      if (encoding.offsets) this.#write(this.#sink, gapFrame(read.from, read.to, encoding.codec));
      else this.#pump();
      return;
    }
    const [chunk] = read.chunks;
    const shared = this.#process.output.subscriberCount > 1;
    if (chunk !== undefined) this.#write(this.#sink, dataFrame(chunk, encoding, shared));
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
    const {
      encoding: { codec },
      keepaliveMs,
    } = this.#options;
    const idleMs = this.#writing ? 0 : performance.now() - this.#lastWriteAt;
    if (idleMs >= keepaliveMs && this.#sink !== undefined) this.#write(this.#sink, keepaliveFrame[codec]);
    const dueMs = idleMs >= keepaliveMs ? keepaliveMs : keepaliveMs - idleMs;
    this.#keepalive = startTimer(dueMs, () => this.#keepAlive());
  }

  #noticeProgress(): void {
    if (!this.#writing || this.#sink === undefined) return;
    const acceptedBytes = this.#sink.acceptedBytes();
    if (acceptedBytes === this.#acceptedBytes) return;
    this.#acceptedBytes = acceptedBytes;
    this.#subscriber.progress();
  }

  #settle(outcome: StreamOutcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#keepalive?.cancel();
    this.#options.progressWatch.remove(this.#look);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#subscriber.detach();
    this.#resolve?.(outcome);
  }
}
