// Streams one process's output to one attached client: the loop that Start and Connect share. A
// subscriber of the multiplexer on one side, a response on the other; no promise, iterator or timer per
// chunk in between.
//
// A chunk is delivered when the connection has accepted its frame (FrameSink.write). A frame that was
// in flight when the client disappeared is not delivered, and the next client receives it.

import { realClock, startTimer, type Timer } from "../../clock.ts";
import type { NodeResponse } from "../../http/index.ts";
import {
  type Chunk,
  type Offset,
  offset,
  type ReadResult,
  type Subscriber,
} from "../../multiplexer/index.ts";
import type { Process, ProcessEnd } from "../../process/index.ts";
import type { Stopping } from "../serving-state.ts";
import {
  dataFrame,
  type Encoding,
  type FramePart,
  gapFrame,
  keepaliveFrame,
  sizeFrame,
  stoppingFrame,
  type TerminalMessage,
  timesFrame,
} from "./event-frames.ts";
import { createFrameSink, type FrameSink } from "./frame-sink.ts";
import type { FramesInFlight } from "./frames-in-flight.ts";
import type { ProgressWatch } from "./progress-watch.ts";
import type { StreamPlace } from "./stream-state.ts";

/**
 * A client that continues has a bad connection, and what breaks within a message must be sent again. If all of its
 * connections break after some kilobytes, messages of 64 KiB would never arrive. So its first one has this much output, and
 * each has twice as much as the one before.
 */
const FIRST_CONTINUED_BYTES = 1024;
/** No chunk is larger. */
const MOST_BYTES = 64 * 1024;

/** The process ended, the client is gone, or it made others wait and was disconnected (rule 11). */
export type StreamOutcome =
  | { readonly kind: "end"; readonly end: ProcessEnd }
  | { readonly kind: "gone" }
  | { readonly kind: "cut"; readonly offset: Offset };

export interface AttachedStreamOptions {
  readonly encoding: Encoding;
  /** See Fork. */
  readonly from?: Offset | undefined;
  /** How far another image of the agent is with this stream, from `from` on. */
  readonly begun?: StreamPlace | undefined;
  readonly isObserver?: boolean;
  /** No output, but a gap in its place before the end. Only for an observer: no process waits for it. */
  readonly isEndOnly?: boolean;
  /** Whether the client is sent the times of the output. */
  readonly times?: boolean;
  /** Whether the client is sent the size of the terminal, and its changes. */
  readonly sizes?: boolean;
  readonly keepaliveMs: number;
  readonly progressWatch: ProgressWatch;
  readonly framesInFlight: Pick<FramesInFlight, "add">;
  /** The state of the terminal at an offset, for a client that asked for it. */
  readonly terminalAt?: ((at: Offset) => TerminalMessage | undefined) | undefined;
  readonly onGap: (from: Offset, to: Offset) => void;
  /** Aborted when the client is gone or its time is up. Afterwards nothing of this stream is left. */
  readonly signal: AbortSignal;
}

/**
 * Attaches to `process` at once, so that the process runs, but sends nothing before `run`. Detaches
 * when `signal` aborts, when `run` resolves, or by `detach`; the first of these counts.
 */
export class AttachedStream {
  readonly #subscriber: Subscriber<ProcessEnd>;
  readonly #process: Process;
  readonly #options: AttachedStreamOptions;
  readonly #onAbort = () => this.#conclude({ kind: "gone" });
  readonly #checkProgress = () => this.#reportProgress();
  #sink: FrameSink | undefined;
  #resolve: ((outcome: StreamOutcome) => void) | undefined;
  #outcome: StreamOutcome | undefined;
  #keepalive: Timer | undefined;
  #progress = 0;
  #lastWriteAtMs = 0;
  #isWriting = false;
  /** Of a notice that is sent before the next output. */
  #notice: readonly FramePart[] | undefined;
  /** Whether the client has not been sent the present size of the terminal. */
  #isSizeDue = false;
  #stopSizes: (() => void) | undefined;
  #skippedTo: Offset;
  /** Of output in the next message. */
  #mostBytes: number;

  constructor(process: Process, options: AttachedStreamOptions) {
    this.#process = process;
    this.#options = options;
    this.#subscriber = process.output.fork({
      from: options.from,
      readTo: options.begun && offset(options.begun.readTo),
      isObserver: options.isObserver,
      onReadable: () => this.#pump(),
      onCut: (offset) => this.#conclude({ kind: "cut", offset }),
    });
    const isContinued = options.from !== undefined && options.begun === undefined;
    this.#mostBytes = isContinued ? FIRST_CONTINUED_BYTES : MOST_BYTES;
    this.#skippedTo = offset(options.begun?.skippedTo ?? this.#subscriber.start);
    if (options.sizes === true && process.terminalSize !== undefined) {
      this.#isSizeDue = options.begun?.isSizeDue ?? true;
      this.#stopSizes = process.onResize(() => this.#resized());
    }
    if (options.signal.aborted) this.#onAbort();
    else options.signal.addEventListener("abort", this.#onAbort);
  }

  /** Where it begins; a gap may come first. */
  get start(): Offset {
    return this.#subscriber.start;
  }

  /** The client has received the output up to here. */
  get deliveredTo(): Offset {
    return this.#subscriber.deliveredTo;
  }

  /**
   * Sends output and KeepAlives until the end event is due, which the caller sends, or the client is
   * gone. Call it once, when the response's head and the start event are written.
   */
  run(response: NodeResponse): Promise<StreamOutcome> {
    return this.#send(createFrameSink(response), () => this.#pump());
  }

  /** The same for a stream that another image of the agent began: first the rest of its last write. */
  continue(sink: FrameSink): Promise<StreamOutcome> {
    return this.#send(sink, () => {
      this.#isWriting = true;
      sink.writeRest(this.#options.begun?.unsent ?? Buffer.alloc(0), (error) => this.#onAccepted(error));
    });
  }

  /** Whether output is being sent: the head is written, and the end is not due. */
  get isFlowing(): boolean {
    return this.#sink !== undefined && this.#outcome === undefined;
  }

  /** How far it is; undefined if another image of the agent could not continue it. Changes nothing. */
  save(): StreamPlace | undefined {
    if (!this.isFlowing || this.#notice !== undefined) return undefined;
    const unsent = this.#sink?.unsent();
    if (unsent === undefined) return undefined;
    const { deliveredTo, readTo } = this.#subscriber;
    return { deliveredTo, readTo, skippedTo: this.#skippedTo, isSizeDue: this.#isSizeDue, unsent };
  }

  #send(sink: FrameSink, begin: () => void): Promise<StreamOutcome> {
    return new Promise((resolve) => {
      if (this.#outcome !== undefined) return resolve(this.#outcome);
      this.#resolve = resolve;
      this.#sink = sink;
      this.#lastWriteAtMs = realClock.nowMs();
      this.#options.progressWatch.add(this.#checkProgress);
      this.#keepalive = startTimer(this.#options.keepaliveMs, () => this.#keepAlive());
      begin();
    });
  }

  /** Tells the client that the agent stops. */
  notify(stopping: Stopping): void {
    this.#notice = stoppingFrame(stopping, this.#options.encoding.codec);
    this.#pump();
  }

  /** Several changes before the next write are one event. */
  #resized(): void {
    this.#isSizeDue = true;
    this.#pump();
  }

  /** Detaches and frees everything. A second call does nothing. */
  detach(): void {
    this.#conclude({ kind: "gone" });
  }

  /**
   * Sends the next chunk, one write at a time, so that each accepted frame is known: of several frames
   * in one write, those accepted before the connection broke would be sent again to the next client.
   * Short pieces that arrive meanwhile are merged in the window.
   */
  #pump(): void {
    if (this.#sink === undefined || this.#isWriting || this.#outcome !== undefined) return;
    const notice = this.#takeNotice();
    if (notice !== undefined) {
      this.#write(this.#sink, notice);
      return;
    }
    const { encoding, isEndOnly = false } = this.#options;
    const read = isEndOnly ? this.#readToEnd() : this.#subscriber.read(this.#mostBytes);
    if (read.kind === "empty") return;
    if (read.kind === "end") {
      this.#conclude(read);
      return;
    }
    if (read.kind === "gap") {
      if (!isEndOnly) this.#options.onGap(read.from, read.to);
      // Old clients do not know GapEvent.
      const terminal = this.#options.terminalAt?.(read.to);
      if (encoding.offsets) this.#write(this.#sink, gapFrame(read.from, read.to, encoding.codec, terminal));
      else this.#pump();
      return;
    }
    const isShared = this.#process.output.subscriberCount > 1;
    const frame = dataFrame(read.chunk, encoding, isShared);
    this.#write(
      this.#sink,
      this.#options.times === true ? [...this.#timesFrame(read.chunk), ...frame] : frame,
    );
  }

  /** An event that is sent before the next output. */
  #takeNotice(): readonly FramePart[] | undefined {
    const notice = this.#notice;
    this.#notice = undefined;
    if (notice !== undefined || !this.#isSizeDue) return notice;
    this.#isSizeDue = false;
    const size = this.#process.terminalSize;
    return size && sizeFrame(size, this.#options.encoding.codec);
  }

  #timesFrame({ offset: from, data }: Chunk): readonly FramePart[] {
    const times = this.#process.output.timesOf(from, offset(from + data.length));
    return times.length === 0 ? [] : timesFrame(times, this.#options.encoding.codec);
  }

  /** Passes over the output. That output is one gap before the end. */
  #readToEnd(): Exclude<ReadResult<ProcessEnd>, { kind: "chunk" }> {
    for (;;) {
      const read = this.#subscriber.read();
      if (read.kind === "empty") return read;
      if (read.kind === "end") {
        const from = this.#skippedTo;
        const to = this.#process.output.head;
        if (from === to) return read;
        this.#skippedTo = to;
        return { kind: "gap", from, to };
      }
      this.#subscriber.delivered();
    }
  }

  #write(sink: FrameSink, parts: readonly FramePart[]): void {
    this.#isWriting = true;
    this.#lastWriteAtMs = realClock.nowMs();
    const accepted = this.#options.framesInFlight.add(parts);
    sink.write(parts, (error) => {
      accepted(error);
      this.#onAccepted(error);
    });
  }

  #onAccepted(error: Error | null | undefined): void {
    this.#isWriting = false;
    if (this.#outcome !== undefined) return;
    if (error) {
      this.#conclude({ kind: "gone" });
      return;
    }
    this.#subscriber.delivered();
    this.#mostBytes = Math.min(2 * this.#mostBytes, MOST_BYTES);
    this.#pump();
  }

  /** A connection that is busy with the last write is not idle: a KeepAlive would only queue behind that write. */
  #keepAlive(): void {
    const {
      encoding: { codec },
      keepaliveMs,
    } = this.#options;
    const idleMs = this.#isWriting ? 0 : realClock.nowMs() - this.#lastWriteAtMs;
    if (idleMs >= keepaliveMs && this.#sink !== undefined) this.#write(this.#sink, keepaliveFrame[codec]);
    const dueMs = idleMs >= keepaliveMs ? keepaliveMs : keepaliveMs - idleMs;
    this.#keepalive = startTimer(dueMs, () => this.#keepAlive());
  }

  #reportProgress(): void {
    if (this.#sink === undefined) return;
    // Also between writes: the sink compares each check with the one before.
    const progress = this.#sink.progress();
    if (progress === this.#progress) return;
    this.#progress = progress;
    this.#subscriber.progress();
  }

  #conclude(outcome: StreamOutcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#keepalive?.cancel();
    this.#options.progressWatch.remove(this.#checkProgress);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#stopSizes?.();
    // The end of the stream comes behind a frame that is begun, and not in the middle of it.
    this.#sink?.finish();
    this.#subscriber.detach();
    this.#resolve?.(outcome);
  }
}
