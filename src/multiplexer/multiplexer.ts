// The fan-out of one process's output. Producers push chunks and one end; subscribers fork, read at their own
// pace and detach. Does no I/O, has no clock and knows nothing of processes or RPC; everything happens in the
// turn of the event loop in which it is called, so there is no order of events that is not decided here.
//
//        delivered to somebody        delivered to nobody
//   oldest           |--------------------------------------| head
//     |  ^ slowest   ^ delivered      ^ fastest's position
//
// Held is [min(slowest subscriber's taken, delivered), head): what somebody has still to take, and what nobody
// has taken yet. A fork always begins at `delivered`, so that whatever order forks and detaches come in, no byte
// falls between two subscribers (rules 5 and 11).

import { type Chunk, chunkEnd, type Offset, type OutputStream, offset } from "./chunk.ts";
import { EndSlot } from "./end-slot.ts";
import { OutputWindow } from "./output-window.ts";

export interface MultiplexerOptions {
  /**
   * Reading stops once this many bytes are held (OutputWindow.heldBytes) and goes on when half of them are gone:
   * stopping and starting cost a system call each. Held are at most `windowBytes`, the push that shut the gate, and
   * what producers push after that.
   */
  readonly windowBytes: number;
  /**
   * The gate: told at each change whether producers shall read. At first they shall not: nobody is attached. May push;
   * must not throw.
   */
  readonly onReading: (reading: boolean) => void;
}

/** What a subscriber finds at its place. `empty`: nothing now, `onReadable` will be called when there is. */
export type Read<End> =
  | { readonly kind: "chunks"; readonly chunks: readonly Chunk[] }
  | { readonly kind: "end"; readonly end: End }
  | { readonly kind: "empty" };

/** One attached stream's cursor over the output. After `detach` only `detach` may be called. */
export interface Subscriber<End> {
  /** Where this subscriber began. */
  readonly start: Offset;
  /**
   * Reads on: at least one chunk, then as many as fit in `maxBytes`; `end` for ever once all output was read and
   * the end slot is set.
   */
  read(maxBytes: number): Read<End>;
  /** All that was read so far is delivered: it need not be held for this subscriber or for who comes next. */
  taken(): void;
  /** Leaves. What was read but not taken counts as delivered to nobody, unless somebody else took it. */
  detach(): void;
}

export class Multiplexer<End extends object> {
  readonly #window = new OutputWindow();
  readonly #endSlot = new EndSlot<End>();
  readonly #cursors = new Set<Cursor>();
  readonly #windowBytes: number;
  readonly #onReading: (reading: boolean) => void;
  /** Every byte below was taken by some subscriber. */
  #delivered: Offset = offset(0);
  /** The least `takenTo` of the cursors, and how many stand there: so that a step of one need not visit all. */
  #slowest: Offset = offset(0);
  #atSlowest = 0;
  #full = false;
  #reading = false;

  constructor(options: MultiplexerOptions) {
    this.#windowBytes = options.windowBytes;
    this.#onReading = options.onReading;
  }

  /** Total bytes pushed so far. */
  get head(): Offset {
    return this.#window.head;
  }

  get heldBytes(): number {
    return this.#window.heldBytes;
  }

  get subscriberCount(): number {
    return this.#cursors.size;
  }

  /** Whether producers shall read. */
  get reading(): boolean {
    return this.#reading;
  }

  get end(): End | undefined {
    return this.#endSlot.value;
  }

  /**
   * Appends output and wakes who waits for it, within this call. Whether `data` is copied or kept follows
   * OutputWindow.append. May be called while the gate says stop, for bytes that are already in hand. Throws
   * after the end.
   */
  push(stream: OutputStream, data: Buffer): void {
    if (this.#endSlot.isSet) throw new Error("output pushed after the end");
    if (data.length === 0) return;
    this.#window.append(stream, data);
    this.#updateGate();
    this.#wake();
  }

  /** Sets the end slot, stops reading for good and wakes who waits. Output must be complete. Throws if called twice. */
  finish(end: End): void {
    // Set before waking: whoever is woken, or forks from within its waking, must find it.
    this.#endSlot.set(end);
    this.#updateGate();
    this.#wake();
  }

  /**
   * Attaches one more subscriber, at the first byte delivered to nobody, also after the end. `onReadable` is
   * called once after each `empty` read, in the turn in which there is more to read; it may read, take, detach
   * and fork, and must not throw: the subscribers behind it would sleep on.
   */
  fork(onReadable: () => void): Subscriber<End> {
    const cursor = new Cursor(this.#delivered, onReadable);
    this.#cursors.add(cursor);
    if (this.#cursors.size === 1) {
      this.#slowest = cursor.takenTo;
      this.#atSlowest = 0;
    }
    if (cursor.takenTo === this.#slowest) this.#atSlowest++;
    this.#updateGate();
    return {
      start: cursor.takenTo,
      read: (maxBytes) => this.#read(cursor, maxBytes),
      taken: () => this.#taken(cursor),
      detach: () => this.#detach(cursor),
    };
  }

  /** Throws if the state is not what the comments say. For tests, after every step. */
  checkInvariants(): void {
    this.#window.checkInvariants();
    const places = [...this.#cursors].map((cursor) => cursor.takenTo);
    const held = Math.min(this.#delivered, ...places);
    if (this.#window.oldest !== held) throw new Error(`held from ${this.#window.oldest}, due from ${held}`);
    if (places.length > 0) {
      const slowest = Math.min(...places);
      const count = places.filter((place) => place === slowest).length;
      if (slowest !== this.#slowest || count !== this.#atSlowest)
        throw new Error(`slowest: ${count} at ${slowest}, counted ${this.#atSlowest} at ${this.#slowest}`);
    }
    for (const cursor of this.#cursors) {
      if (cursor.takenTo > cursor.readTo || cursor.takenTo > this.#delivered || cursor.readTo > this.head)
        throw new Error(`cursor ${cursor.takenTo}..${cursor.readTo}, delivered ${this.#delivered}`);
      if (cursor.waiting && (cursor.readTo < this.head || this.#endSlot.isSet))
        throw new Error(`a subscriber sleeps at ${cursor.readTo} though there is more to read`);
    }
    const reading = !this.#endSlot.isSet && this.#cursors.size > 0 && !this.#full;
    if (reading !== this.#reading) throw new Error(`gate ${this.#reading}, due ${reading}`);
    if (!this.#full && this.heldBytes >= this.#windowBytes)
      throw new Error(`${this.heldBytes} held, not full`);
  }

  #read(cursor: Cursor, maxBytes: number): Read<End> {
    this.#assertAttached(cursor);
    const chunks = this.#window.read(cursor.readTo, maxBytes);
    const last = chunks.at(-1);
    if (last !== undefined) {
      cursor.readTo = chunkEnd(last);
      return { kind: "chunks", chunks };
    }
    const end = this.#endSlot.value;
    if (end !== undefined) return { kind: "end", end };
    cursor.waiting = true;
    return { kind: "empty" };
  }

  #taken(cursor: Cursor): void {
    this.#assertAttached(cursor);
    const from = cursor.takenTo;
    if (cursor.readTo === from) return;
    cursor.takenTo = cursor.readTo;
    if (cursor.takenTo > this.#delivered) this.#delivered = cursor.takenTo;
    this.#leaveSlowest(from);
    this.#release();
  }

  #detach(cursor: Cursor): void {
    // A second detach finds nothing: whoever notices a gone client first, others may notice it too.
    if (!this.#cursors.delete(cursor)) return;
    this.#leaveSlowest(cursor.takenTo);
    this.#release();
  }

  #leaveSlowest(from: Offset): void {
    if (from !== this.#slowest || --this.#atSlowest > 0) return;
    this.#slowest = this.#delivered;
    for (const { takenTo } of this.#cursors) if (takenTo < this.#slowest) this.#slowest = takenTo;
    for (const { takenTo } of this.#cursors) if (takenTo === this.#slowest) this.#atSlowest++;
  }

  #release(): void {
    this.#window.trim(this.#cursors.size > 0 ? this.#slowest : this.#delivered);
    this.#updateGate();
  }

  #updateGate(): void {
    const held = this.#window.heldBytes;
    this.#full = this.#full ? held > this.#windowBytes / 2 : held >= this.#windowBytes;
    const reading = !this.#endSlot.isSet && this.#cursors.size > 0 && !this.#full;
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#onReading(reading);
  }

  /**
   * A Set may change while it is walked: who detaches is not called. Who forks meanwhile is walked, too, and may have read
   * to the head already: only what came after a subscriber's last read is a reason to call it.
   */
  #wake(): void {
    for (const cursor of this.#cursors) {
      const hasMore = cursor.readTo < this.head || this.#endSlot.isSet;
      if (!cursor.waiting || !hasMore) continue;
      cursor.waiting = false;
      cursor.onReadable();
    }
  }

  #assertAttached(cursor: Cursor): void {
    if (!this.#cursors.has(cursor)) throw new Error("a detached subscriber was used");
  }
}

class Cursor {
  readonly onReadable: () => void;
  /** Bytes below are delivered to this subscriber; bytes below `readTo` are on their way. */
  takenTo: Offset;
  readTo: Offset;
  waiting = false;

  constructor(start: Offset, onReadable: () => void) {
    this.takenTo = start;
    this.readTo = start;
    this.onReadable = onReadable;
  }
}
