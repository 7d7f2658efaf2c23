// The events of one watch, numbered, for clients that may come back. Events that were read stay as
// replay while there is room; unread events are never dropped silently.
//
//   oldest ........ read ........ next        offsets
//     |   replay     |  unread     |
//
// I1  oldest <= read <= next, and the queue holds exactly the events [oldest, next).
// I2  The queue holds at most `maxBytes`, and one rescan event more.
// I3  Every event that was dropped unread is followed by a rescan event that is still unread or was read.

import type { NumberedEvent, WatchEvent } from "./watch-event.ts";
import { type QueueState, restoreEvent, saveEvent } from "./watch-state.ts";

/** The cost of an event in addition to its name and entry. */
const EVENT_BYTES = 128;
const ENTRY_BYTES = 512;

export interface QueueOptions {
  readonly maxBytes: number;
  /** Asks for room for so many bytes in all; false if there is none. */
  resize(bytes: number): boolean;
  /** Of another image of the agent. */
  readonly saved?: QueueState | undefined;
}

export class EventQueue {
  readonly #options: QueueOptions;
  #events: NumberedEvent[] = [];
  #heldBytes = 0;
  #read = 0;
  #next = 0;
  #rescans = 0;
  readonly #waiting = new Set<() => void>();

  constructor(options: QueueOptions) {
    this.#options = options;
    const { saved } = options;
    if (saved === undefined) return;
    this.#events = saved.events.map(restoreEvent);
    this.#read = saved.read;
    this.#next = saved.next;
    this.#rescans = saved.rescans;
    this.#hold(this.#events.reduce((bytes, event) => bytes + bytesOf(event), 0));
  }

  save(): QueueState {
    const { read, next, rescans } = this;
    return { events: this.#events.map(saveEvent), read, next, rescans };
  }

  get oldest(): number {
    return this.#events[0]?.offset ?? this.#next;
  }

  /** The number of the next event. */
  get next(): number {
    return this.#next;
  }

  /** The number of events that say that others are missing. */
  get rescans(): number {
    return this.#rescans;
  }

  /** Where a reader without an offset continues. */
  get read(): number {
    return this.#read;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  push(event: WatchEvent): void {
    const last = this.#lastUnread();
    // Equal neighbours mean the same, and a rescan covers all changes.
    if (last !== undefined && isRepeat(last, event)) return;
    if (last?.rescan === true && last.name === "." && this.#isFull(event)) return;
    if (!this.#makeRoom(bytesOf(event))) {
      this.#append({ ...event, name: ".", type: "write", entry: undefined, rescan: true });
      return;
    }
    this.#append(event);
  }

  /** All events from `from` on, the oldest first. Events before `from` are forgotten. Without it: the unread ones. */
  take(from: number | undefined): readonly NumberedEvent[] {
    const start = from ?? this.#read;
    if (from !== undefined) this.#forget(from);
    const taken = this.#events.filter(({ offset }) => offset >= start);
    this.#read = this.#next;
    return taken;
  }

  /** The client has received the events before `offset`. */
  forgetBefore(offset: number): void {
    this.#forget(offset);
  }

  /** Forgets the events that were read: the client does not ask for offsets. */
  forgetRead(): void {
    this.#forget(this.#read);
  }

  /** The event `offset` was sent; at most one event is sent at a time. */
  markRead(offset: number): void {
    this.#read = Math.max(this.#read, Math.min(offset + 1, this.#next));
  }

  /** The event with this number, or the oldest one after it. */
  at(offset: number): NumberedEvent | undefined {
    const index = offset - this.oldest;
    return this.#events[Math.max(0, index)];
  }

  /** Resolves when something is pushed, when `wake` is called, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
      if (signal.aborted) wake();
    });
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  clear(): void {
    this.#forget(this.#next);
  }

  /** Throws if an invariant does not hold. For tests. */
  checkInvariants(): void {
    const { oldest } = this;
    if (!(oldest <= this.#read || this.#events.length === 0) || this.#read > this.#next)
      throw new Error(`I1: ${oldest}, ${this.#read}, ${this.#next}`);
    for (const [index, { offset }] of this.#events.entries())
      if (offset !== oldest + index) throw new Error(`I1: event ${index} has the number ${offset}`);
    if (this.#heldBytes > this.#options.maxBytes + 2 * EVENT_BYTES)
      throw new Error(`I2: ${this.#heldBytes} bytes are held`);
  }

  #append(event: WatchEvent): void {
    this.#events.push({ ...event, offset: this.#next++ });
    if (event.rescan) this.#rescans++;
    this.#hold(this.#heldBytes + bytesOf(event));
    this.wake();
  }

  #lastUnread(): NumberedEvent | undefined {
    const last = this.#events.at(-1);
    return last !== undefined && last.offset >= this.#read ? last : undefined;
  }

  #isFull(event: WatchEvent): boolean {
    const needed = this.#heldBytes + bytesOf(event);
    // A reader that has begun to read makes room for many events, not for one.
    return needed > this.#options.maxBytes / 2;
  }

  /** Drops replay for it. */
  #makeRoom(bytes: number): boolean {
    const fits = () =>
      this.#heldBytes + bytes <= this.#options.maxBytes && this.#options.resize(this.#heldBytes + bytes);
    if (fits()) return true;
    if (this.#read > this.oldest) {
      // Half of it at once: dropping the oldest element of an array moves all others.
      this.#forget(this.oldest + Math.ceil((this.#read - this.oldest) / 2));
      return this.#makeRoom(bytes);
    }
    return false;
  }

  #forget(before: number): void {
    const count = Math.min(Math.max(0, before - this.oldest), this.#events.length);
    if (count === 0) return;
    const forgotten = this.#events.slice(0, count);
    this.#events = this.#events.slice(count);
    this.#read = Math.max(this.#read, this.oldest);
    let bytes = this.#heldBytes;
    for (const event of forgotten) bytes -= bytesOf(event);
    this.#hold(bytes);
  }

  #hold(bytes: number): void {
    this.#heldBytes = bytes;
    this.#options.resize(bytes);
  }
}

function isRepeat(last: WatchEvent, event: WatchEvent): boolean {
  if (last.name !== event.name || last.type !== event.type || last.rescan !== event.rescan) return false;
  return event.type === "write" || event.type === "chmod";
}

function bytesOf({ name, entry }: WatchEvent): number {
  return EVENT_BYTES + 2 * name.length + (entry === undefined ? 0 : ENTRY_BYTES + 4 * entry.path.length);
}
