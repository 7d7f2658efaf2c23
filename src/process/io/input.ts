// The input of one process: writes in the order of the calls, as fast as the process reads, then
// end of file.

import type { Socket } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";
import type { MemoryBudget, Reservation } from "../../multiplexer/index.ts";
import { AcceptedInput, type AcceptedInputState, checkWriter } from "./accepted-input.ts";

/** The two inputs a process may have: a stdin pipe or a pty. */
export type InputKind = "stdin" | "pty";

/**
 * How many bytes may wait for a process that does not read. A writer usually waits for its own
 * bytes, so only many writers at once reach this limit.
 */
export const INPUT_QUEUE_BYTES = 32 * 1024 * 1024;

/**
 * How many bytes may wait for one process when output fills the memory budget: keystrokes and short lines. With the
 * default limits, all processes together fit into the budget's reserve, so that none can take the room of another.
 */
const SMALL_INPUT_BYTES = 4 * 1024;

/** The place of a piece in the input. */
export interface InputPlace {
  /** How many bytes come before it: of the whole input, or of `writer` if that is set. */
  readonly at: number;
  /**
   * The name of a writer that counts only its own bytes: clients do not know how much other clients
   * wrote.
   */
  readonly writer?: string | undefined;
}

/**
 * An input as plain data; see src/handover. Writes that have not begun are part of it only if the input is closed:
 * their calls end with the image of the agent, and their clients repeat them while the input takes more.
 */
export interface InputState {
  readonly accepted: AcceptedInputState;
  readonly refusal?: string | undefined;
  readonly isBroken: boolean;
  readonly begun?: BegunWrite | undefined;
  /** Before the end of the input, in their order. */
  readonly queued?: readonly QueuedWrite[] | undefined;
}

interface QueuedWrite {
  readonly data: Buffer;
  readonly place?: InputPlace | undefined;
  readonly addsBytes: number;
}

/** A write that was handed to the stream, and counts as accepted once all of it is. */
interface BegunWrite {
  readonly bytes: number;
  readonly writer?: string | undefined;
  /** The end of it, which the process's pipe or pty has not accepted. */
  readonly waiting: Buffer;
}

export interface ProcessInput {
  /** Undefined if there is none. */
  save(): InputState | undefined;
  /** Of a restored one: from here on it writes. */
  goOn(): void;
  /**
   * Resolves when the pipe or pty has accepted all of `data`, after all earlier writes. Waits as
   * long as the process does not read. Rejects with `failed_precondition` when it never will (wrong
   * kind, closed, ended), and with `resource_exhausted` if the memory budget has no room for
   * waiting input; a few KiB have room even if output fills the budget. The caller must not change `data` before that.
   *
   * `place` says where in the input `data` begins. Bytes that were accepted before are skipped, so
   * that a repeated write is applied once and a repeat of a failed write fails again; a hole is
   * refused with `out_of_range`. Resolves to the accepted bytes, counted as in `place`.
   *
   * When `givenUp` aborts before the write has begun, its data is dropped.
   */
  write(kind: InputKind, data: Uint8Array, place?: InputPlace, givenUp?: AbortSignal): Promise<number>;
  /** Ends stdin after all earlier input, without waiting for it. A second call does nothing. */
  close(): void;
  /** How many bytes were accepted, each counted once. */
  readonly acceptedBytes: number;
  /** The process has ended: refuses waiting and later input. */
  abandon(): void;
  /** The process is forgotten: nothing of its input counts any more. */
  release(): void;
}

type InputBudget = Pick<MemoryBudget, "reserve" | "reserveSmallInput">;
type InputReservation = Pick<Reservation, "release">;

/** A write from its call until it is accepted, refused or dropped. */
interface PendingWrite {
  readonly data: Uint8Array;
  readonly place: InputPlace | undefined;
  readonly reservation: InputReservation | undefined;
  /** How much it adds to the input, if all earlier writes succeed. */
  readonly addsBytes: number;
  readonly resolve: (acceptedBytes: number) => void;
  readonly reject: (reason: HoldfastError) => void;
  readonly stopListening: () => void;
}

export class Input implements ProcessInput {
  readonly #kind: InputKind;
  /** Undefined: the process has exited, or it was closed before this image of the agent began. */
  #socket: Socket | undefined;
  /** Names the process in messages: `process 12`. */
  readonly #owner: string;
  readonly #budget: InputBudget;
  /** Why new writes are refused, in words that follow the name of the process. */
  #refusal: string | undefined;
  /** Whether the refusal also holds for waiting writes: the process will not read them. */
  #isBroken = false;
  /** Not begun, in the order of the calls. A Set, so that a dropped one leaves at once. */
  readonly #queue = new Set<PendingWrite>();
  /** Handed to the stream. Only one, so that all others can still be dropped. */
  #inFlight: PendingWrite | undefined;
  /** The data of `#inFlight`. */
  #handed: Uint8Array = Buffer.alloc(0);
  /** How much they count, which may be more: an image before may have written the beginning. */
  #handedBytes = 0;
  /** Until `goOn`. */
  #begunBefore: BegunWrite | undefined;
  #queuedBefore: readonly QueuedWrite[];
  /** The input that the process's pipe or pty has accepted. A write counts when all of it is accepted. */
  readonly #accepted: AcceptedInput;
  /** The sums of `addsBytes` of all pending writes, and of those of each writer. */
  readonly #pendingBytes = new Map<string | undefined, number>();
  /** The names of its writers, in the budget (rule 14). */
  #writers: Reservation | undefined;
  /** How many of them are in the budget's reserve for small input. */
  #smallInputBytes = 0;

  /** Owns `socket` and closes it, except the socket of a pty, which its reader closes. */
  constructor(
    kind: InputKind,
    socket: Socket | undefined,
    owner: string,
    budget: InputBudget,
    saved?: InputState,
  ) {
    this.#kind = kind;
    this.#socket = socket;
    this.#owner = owner;
    this.#budget = budget;
    this.#accepted = new AcceptedInput(saved?.accepted);
    this.#refusal = saved?.refusal;
    this.#isBroken = saved?.isBroken ?? false;
    this.#begunBefore = saved?.begun;
    this.#queuedBefore = saved?.queued ?? [];
    socket?.on("error", () => {
      // The callback of each write reports it. A pty's reader also listens.
    });
    this.#holdWriters();
  }

  save(): InputState {
    return {
      accepted: this.#accepted.save(),
      refusal: this.#refusal,
      isBroken: this.#isBroken,
      begun: this.#begunBefore ?? this.#saveBegun(),
      ...this.#saveQueued(),
    };
  }

  goOn(): void {
    const begun = this.#begunBefore;
    const queued = this.#queuedBefore;
    this.#begunBefore = undefined;
    this.#queuedBefore = [];
    if (begun !== undefined) {
      const { bytes, writer, waiting } = begun;
      const write = this.#withoutCall(waiting, writer === undefined ? undefined : { at: 0, writer }, bytes);
      this.#hand(write, waiting, bytes);
    }
    for (const { data, place, addsBytes } of queued)
      this.#queue.add(this.#withoutCall(data, place, addsBytes));
    this.#begin();
  }

  /** The call that brought it ended with the image before. */
  #withoutCall(data: Buffer, place: InputPlace | undefined, addsBytes: number): PendingWrite {
    const write: PendingWrite = {
      data,
      place,
      reservation: this.#budget.reserve(data.length),
      addsBytes,
      resolve: () => undefined,
      reject: () => undefined,
      stopListening: () => undefined,
    };
    this.#add(write, 1);
    return write;
  }

  /** Whether its descriptor is open. */
  get isOpen(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed;
  }

  async write(kind: InputKind, data: Uint8Array, place?: InputPlace, givenUp?: AbortSignal): Promise<number> {
    this.#assertKind(kind);
    checkWriter(place?.writer);
    const addsBytes = this.#restOf(data, place, this.#expectedBytes(place?.writer)).length;
    // A repeat of accepted bytes succeeds even after the close: only its answer was lost.
    if (addsBytes > 0 || data.length === 0) this.#assertOpen();
    const reservation = this.#reserve(addsBytes);
    return new Promise((resolve, reject) => {
      const onGivenUp = () => this.#drop(write);
      const stopListening = () => givenUp?.removeEventListener("abort", onGivenUp);
      const write: PendingWrite = { data, place, reservation, addsBytes, resolve, reject, stopListening };
      this.#add(write, 1);
      this.#queue.add(write);
      givenUp?.addEventListener("abort", onGivenUp);
      if (givenUp?.aborted === true) this.#drop(write);
      this.#begin();
    });
  }

  get acceptedBytes(): number {
    return this.#accepted.bytesOf(undefined);
  }

  close(): void {
    this.#assertKind("stdin");
    if (this.#refusal !== undefined) return;
    this.#refusal = "has a closed stdin";
    this.#begin();
  }

  abandon(): void {
    this.#refusal = "has ended";
    this.#isBroken = true;
    // The stream does not do it: a terminal's stays open while an orphan holds it.
    this.#inFlight?.reject(this.#refused());
    if (this.#kind === "stdin") this.#socket?.destroy();
    this.#begin();
    // A closed socket keeps its read buffer, for as long as the result is kept.
    this.#socket = undefined;
  }

  release(): void {
    this.#writers?.release();
  }

  /** Without room for their names, the writers that wrote longest ago are forgotten. */
  #holdWriters(): void {
    if (this.#accepted.memoryBytes === 0) return;
    this.#writers ??= this.#budget.reserve(0);
    while (this.#writers?.resize(this.#accepted.memoryBytes) === false && this.#accepted.forgetOldest());
  }

  /**
   * Hands the next write to the stream, or ends it. Until a write is accepted, the next one waits.
   */
  #begin(): void {
    if (this.#inFlight !== undefined && !this.#isBroken) return;
    for (const write of this.#queue) {
      this.#queue.delete(write);
      if (this.#beginWrite(write)) return;
    }
    if (this.#refusal !== undefined && !this.#isBroken) this.#socket?.end();
  }

  /** Returns false if nothing had to be written: it is settled. */
  #beginWrite(write: PendingWrite): boolean {
    const { data, place, resolve, reject } = write;
    try {
      const acceptedBytes = this.#accepted.bytesOf(place?.writer);
      const rest = this.#restOf(data, place, acceptedBytes);
      if (this.#isBroken && (rest.length > 0 || data.length === 0)) throw this.#refused();
      if (rest.length > 0) {
        this.#hand(write, rest, rest.length);
        return true;
      }
      resolve(acceptedBytes);
    } catch (error) {
      reject(error as HoldfastError);
    }
    this.#finish(write);
    return false;
  }

  /** `bytes` are accepted when all of `rest` is. */
  #hand(write: PendingWrite, rest: Uint8Array, bytes: number): void {
    this.#inFlight = write;
    this.#handed = rest;
    this.#handedBytes = bytes;
    const onWritten = (error?: Error | null) => this.#onWritten(write, bytes, error);
    if (this.#socket === undefined) setImmediate(onWritten);
    else this.#socket.write(rest, onWritten);
  }

  /** Only one write is handed over at a time, so what the handle still has is the end of it. */
  #saveBegun(): BegunWrite | undefined {
    const write = this.#inFlight;
    if (write === undefined || this.#isBroken || this.#socket === undefined) return undefined;
    const handle: unknown = Reflect.get(this.#socket, "_handle");
    const queued: unknown =
      typeof handle === "object" && handle !== null ? Reflect.get(handle, "writeQueueSize") : undefined;
    if (typeof queued !== "number") return undefined;
    const rest = this.#handed;
    const waiting = Buffer.from(rest.buffer, rest.byteOffset + rest.length - queued, queued);
    return { bytes: this.#handedBytes, writer: write.place?.writer, waiting };
  }

  #saveQueued(): Pick<InputState, "queued"> {
    if (this.#queuedBefore.length > 0) return { queued: this.#queuedBefore };
    if (this.#refusal === undefined || this.#isBroken || this.#queue.size === 0) return {};
    const queued = [...this.#queue].map(({ data, place, addsBytes }) => ({
      data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      place,
      addsBytes,
    }));
    return { queued };
  }

  #onWritten(write: PendingWrite, bytes: number, error: Error | null | undefined): void {
    this.#inFlight = undefined;
    this.#handed = Buffer.alloc(0);
    // A destroyed stream reports unwritten bytes as written.
    if (error || !this.isOpen) write.reject(this.#broken(error));
    else {
      write.resolve(this.#accepted.add(bytes, write.place?.writer));
      this.#holdWriters();
    }
    this.#finish(write);
    this.#begin();
  }

  #drop(write: PendingWrite): void {
    if (!this.#queue.delete(write)) return;
    write.reject(new HoldfastError("unavailable", "the call was given up before its input was written"));
    this.#finish(write);
  }

  #finish(write: PendingWrite): void {
    write.stopListening();
    write.reservation?.release();
    this.#add(write, -1);
  }

  #add({ place, addsBytes }: PendingWrite, sign: 1 | -1): void {
    for (const writer of new Set([undefined, place?.writer])) {
      const bytes = (this.#pendingBytes.get(writer) ?? 0) + sign * addsBytes;
      if (bytes === 0) this.#pendingBytes.delete(writer);
      else this.#pendingBytes.set(writer, bytes);
    }
  }

  /** Counted as in `place`, if all pending writes succeed. */
  #expectedBytes(writer: string | undefined): number {
    return this.#accepted.bytesOf(writer) + (this.#pendingBytes.get(writer) ?? 0);
  }

  #reserve(bytes: number): InputReservation | undefined {
    const waiting = this.#pendingBytes.get(undefined) ?? 0;
    const tooMuch = waiting > 0 && waiting + bytes > INPUT_QUEUE_BYTES;
    const reservation =
      tooMuch || bytes === 0 ? undefined : (this.#budget.reserve(bytes) ?? this.#reserveSmall(bytes));
    if (reservation !== undefined || bytes === 0) return reservation;
    const limit = tooMuch ? `the limit of ${INPUT_QUEUE_BYTES}` : "the memory budget (--memory-budget)";
    throw new HoldfastError(
      "resource_exhausted",
      `${this.#owner} does not read its input: ${waiting} bytes wait already, ${bytes} more exceed ${limit}`,
    );
  }

  #reserveSmall(bytes: number): InputReservation | undefined {
    if (this.#smallInputBytes + bytes > SMALL_INPUT_BYTES) return undefined;
    const reservation = this.#budget.reserveSmallInput(bytes);
    if (reservation === undefined) return undefined;
    this.#smallInputBytes += bytes;
    return {
      release: () => {
        this.#smallInputBytes -= bytes;
        reservation.release();
      },
    };
  }

  /** The part of `data` that comes after the first `knownBytes` of the input. */
  #restOf(data: Uint8Array, place: InputPlace | undefined, knownBytes: number): Uint8Array {
    if (place === undefined) return data;
    const skipped = knownBytes - place.at;
    if (skipped >= 0) return data.subarray(Math.min(skipped, data.length));
    throw new HoldfastError(
      "out_of_range",
      `input at offset ${place.at} would leave a hole: ${knownBytes} bytes have been accepted`,
    );
  }

  #assertKind(kind: InputKind): void {
    if (kind === this.#kind) return;
    const hint = this.#kind === "pty" ? "it runs on a pty" : "it runs on pipes";
    throw new HoldfastError("failed_precondition", `${this.#owner} has no ${kind} input: ${hint}`);
  }

  #assertOpen(): void {
    if (this.#refusal !== undefined) throw this.#refused();
  }

  /**
   * The other end is closed: EPIPE from a pipe, EIO from a pty, no error if the stream noticed it
   * before.
   */
  #broken(error: Error | null | undefined): HoldfastError {
    const reason = error ? ` (${errnoName(error) ?? error.message})` : "";
    this.#isBroken = true;
    // A close that came before does not explain why waiting input failed.
    if (this.#refusal !== "has ended") this.#refusal = `closed its ${this.#kind}${reason}`;
    return this.#refused(error ?? undefined);
  }

  #refused(cause?: Error): HoldfastError {
    return new HoldfastError("failed_precondition", `${this.#owner} ${this.#refusal}: it takes no input`, {
      cause,
    });
  }
}

/** The input of a process that was started with /dev/null for stdin. */
export function refusedInput(owner: string): ProcessInput {
  const refuse = () => {
    throw new HoldfastError("failed_precondition", `${owner} has no stdin: it was started without one`);
  };
  return {
    save: () => undefined,
    goOn: () => {
      // Nothing waits.
    },
    acceptedBytes: 0,
    write: async () => refuse(),
    close: refuse,
    abandon: () => {
      // Nothing waits.
    },
    release: () => {
      // Nothing counts.
    },
  };
}
