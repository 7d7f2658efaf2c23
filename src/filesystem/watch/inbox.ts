// Events of the kernel that wait because a watch is being armed: they are handled in their order,
// after the directories that they are about are known. Bounded; too many become one overflow.

import { IN, type InotifyEvent, type WatchDescriptor } from "../../linux/index.ts";
import type { InboxState } from "./watch-state.ts";

const MAX_WAITING = 65_536;

const OVERFLOW: InotifyEvent = {
  watch: -1 as WatchDescriptor,
  mask: IN.Q_OVERFLOW,
  cookie: 0,
  name: Buffer.alloc(0),
};

export class Inbox {
  #events: InotifyEvent[];
  #at = 0;
  #taken: number;

  constructor({ events, taken }: InboxState = { events: [], taken: 0 }) {
    this.#events = [...events];
    this.#taken = taken;
  }

  save(): InboxState {
    return { events: this.#events.slice(this.#at), taken: this.#taken };
  }

  /** How many events were ever added. */
  get added(): number {
    return this.#taken + this.#events.length - this.#at;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#events.length;
  }

  add(event: InotifyEvent): void {
    const waiting = this.#events.length - this.#at;
    if (waiting < MAX_WAITING) this.#events.push(event);
    // The rescan that an overflow causes finds the later changes.
    else if (waiting === MAX_WAITING) this.#events.push(OVERFLOW);
  }

  /** The oldest, with its number. */
  take(): { readonly event: InotifyEvent; readonly number: number } | undefined {
    const event = this.#events[this.#at];
    if (event === undefined) return undefined;
    this.#at++;
    if (this.#at === this.#events.length) {
      this.#events = [];
      this.#at = 0;
    }
    return { event, number: this.#taken++ };
  }

  /** Whether the other half of a rename waits here. */
  hasCookie(cookie: number): boolean {
    for (let at = this.#at; at < this.#events.length; at++)
      if (this.#events[at]?.cookie === cookie) return true;
    return false;
  }
}
