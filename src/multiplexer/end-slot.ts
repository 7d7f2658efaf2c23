// The one-place store of a process's end event (rule 3): set once, never waits, read by every
// subscriber, early or late.

export class EndSlot<End extends object> {
  #end: End | undefined;

  get isSet(): boolean {
    return this.#end !== undefined;
  }

  get value(): End | undefined {
    return this.#end;
  }

  /** Throws when the slot is set already: a process ends once, so a second end is a bug in the caller. */
  set(end: End): void {
    if (this.#end !== undefined) throw new Error("the end slot is set already");
    this.#end = end;
  }
}
