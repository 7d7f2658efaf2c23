// Sends the events of one watch to one client of WatchDir, one message at a time, so that it is known what the connection
// has accepted. Another image of the agent can continue it in the middle of a message (src/handover).

import { create, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { realClock, startTimer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import type { NumberedEvent, Watcher } from "../../filesystem/index.ts";
import { WatchDirResponseSchema } from "../../gen/filesystem_pb.ts";
import { enveloped } from "../../http/index.ts";
import type { Codec } from "../output/event-frames.ts";
import type { FrameSink } from "../output/frame-sink.ts";
import type { ServingState } from "../serving-state.ts";
import { toEntryInfos } from "./entry-messages.ts";
import { lostBefore, toWireEvents } from "./watch-messages.ts";

/** What the client asked for. */
export interface WatchTerms {
  readonly codec: Codec;
  /** Whether the client asked for the additions, and may come back. */
  readonly isResumable: boolean;
  /** See entryMessages. */
  readonly isLegacy: boolean;
  readonly keepaliveMs: number;
}

export interface WatchPlace {
  /** The number of the next event. */
  readonly next: number;
  /** The rest of the message that the connection has not accepted. */
  readonly unsent: Buffer;
}

export class WatchStream {
  readonly #position: Position;
  readonly #terms: WatchTerms;
  readonly #serving: ServingState;
  readonly #signal: AbortSignal;
  #sink: FrameSink | undefined;

  /** `signal` aborts when the client is gone or its time is up. */
  constructor(position: Position, terms: WatchTerms, serving: ServingState, signal: AbortSignal) {
    this.#position = position;
    this.#terms = terms;
    this.#serving = serving;
    this.#signal = signal;
  }

  /** How far it is; undefined if another image of the agent could not continue it. Changes nothing. */
  save(): WatchPlace | undefined {
    const unsent = this.#sink?.unsent();
    return unsent && { next: this.#position.next, unsent };
  }

  /** First the rest of a message that another image of the agent began. Rejects with the reason of its end. */
  async run(sink: FrameSink, rest?: Buffer): Promise<never> {
    this.#sink = sink;
    // Wakes the wait below; nothing is left behind when the call ends.
    void this.#serving.stopped(this.#signal).then(() => this.#position.watcher.queue.wake());
    try {
      if (rest !== undefined) await written((onAccepted) => sink.writeRest(rest, onAccepted));
      for (;;) {
        const frame = await this.#next();
        await written((onAccepted) => sink.write([frame], onAccepted));
      }
    } finally {
      this.#sink = undefined;
    }
  }

  async #next(): Promise<Buffer> {
    const { codec, isResumable, isLegacy, keepaliveMs } = this.#terms;
    const { queue } = this.#position.watcher;
    const dueAtMs = realClock.nowMs() + keepaliveMs;
    for (;;) {
      const event = this.#position.take();
      if (event !== undefined) {
        const toWire = toWireEvents(toEntryInfos(isLegacy), isResumable);
        return frameOf({ event: { case: "filesystem", value: toWire(event) } }, codec);
      }
      this.#throwIfOver();
      const dueMs = dueAtMs - realClock.nowMs();
      if (dueMs <= 0) return frameOf({ event: { case: "keepalive", value: {} } }, codec);
      const timer = startTimer(dueMs, () => queue.wake());
      await queue.changed(this.#signal);
      timer.cancel();
    }
  }

  #throwIfOver(): void {
    const { failure, isClosed } = this.#position.watcher;
    this.#signal.throwIfAborted();
    if (failure !== undefined) throw failure;
    if (isClosed) throw new HoldfastError("not_found", "the watch was removed");
    if (this.#serving.isStopping) throw new HoldfastError("unavailable", "the agent is shutting down");
  }
}

function written(write: (onAccepted: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => write((error) => (error ? reject(error) : resolve())));
}

function frameOf(event: MessageInitShape<typeof WatchDirResponseSchema>, codec: Codec): Buffer {
  const message = create(WatchDirResponseSchema, event);
  const bytes =
    codec === "json"
      ? Buffer.from(toJsonString(WatchDirResponseSchema, message))
      : toBinary(WatchDirResponseSchema, message);
  return enveloped(0, bytes);
}

/** Where a stream is in the queue of its watch. */
export class Position {
  readonly watcher: Watcher;
  #next: number;
  #lost: NumberedEvent | undefined;

  private constructor(watcher: Watcher, next: number) {
    const { oldest } = watcher.queue;
    this.watcher = watcher;
    this.#next = Math.max(next, oldest);
    if (next < oldest) this.#lost = lostBefore(oldest);
  }

  /** A new client; with `from`, it has received all events before that. */
  static begin(watcher: Watcher, from: number | undefined): Position {
    const { queue } = watcher;
    const position = new Position(watcher, from ?? Math.max(queue.read, queue.oldest));
    if (from !== undefined) queue.forgetBefore(from);
    return position;
  }

  /** The client of another image of the agent. What was sent to it may not have arrived. */
  static continue(watcher: Watcher, next: number): Position {
    return new Position(watcher, next);
  }

  /** The number of the event that `take` returns next. */
  get next(): number {
    return this.#lost?.offset ?? this.#next;
  }

  take(): NumberedEvent | undefined {
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost !== undefined) return lost;
    const { queue } = this.watcher;
    const event = queue.at(this.#next);
    if (event === undefined) return undefined;
    this.#next = event.offset + 1;
    queue.markRead(event.offset);
    return event;
  }
}
