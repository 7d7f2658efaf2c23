// How much input of one process has been accepted: the total, and the bytes of each named writer.

import { HoldfastError } from "../../errors.ts";
import { lengthProblem } from "../../text.ts";

/** The writer that wrote longest ago is forgotten first. If it continues, its input is refused as a hole. */
const MAX_WRITERS = 256;
const MAX_WRITER_LENGTH = 128;
/** Of a character, at most. */
const CHARACTER_BYTES = 2;
/** The cost of an entry in a Map, its number and the head of its name. */
const WRITER_OVERHEAD_BYTES = 96;

/** Throws `invalid_argument` for an empty or too long name. */
export function checkWriter(writer: string | undefined): void {
  const problem = writer === undefined ? undefined : lengthProblem(writer, { most: MAX_WRITER_LENGTH });
  if (problem !== undefined) throw new HoldfastError("invalid_argument", `writer ${problem}`);
}

export interface AcceptedInputState {
  readonly bytes: number;
  /** In the order of their last writes. */
  readonly writers: readonly (readonly [writer: string, bytes: number])[];
}

export class AcceptedInput {
  #bytes: number;
  /** In the order of their last writes. */
  readonly #byWriter = new Map<string, number>();
  #memoryBytes = 0;

  constructor(saved?: AcceptedInputState) {
    this.#bytes = saved?.bytes ?? 0;
    for (const [writer, bytes] of saved?.writers ?? []) this.#remember(writer, bytes);
  }

  save(): AcceptedInputState {
    return { bytes: this.#bytes, writers: [...this.#byWriter] };
  }

  /** The bytes of `writer`, or the total without one. */
  bytesOf(writer: string | undefined): number {
    return writer === undefined ? this.#bytes : (this.#byWriter.get(writer) ?? 0);
  }

  /** Returns the new `bytesOf(writer)`. */
  add(bytes: number, writer: string | undefined): number {
    if (writer !== undefined) this.#remember(writer, this.bytesOf(writer) + bytes);
    this.#bytes += bytes;
    return this.bytesOf(writer);
  }

  /** The memory that its writers take. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Forgets the writer that wrote longest ago; returns false if only one is left. */
  forgetOldest(): boolean {
    if (this.#byWriter.size <= 1) return false;
    const [oldest] = this.#byWriter.keys();
    if (oldest !== undefined) this.#forget(oldest);
    return true;
  }

  #remember(writer: string, bytes: number): void {
    // Forgotten first: a Map keeps the order in which its keys were added.
    this.#forget(writer);
    this.#byWriter.set(writer, bytes);
    this.#memoryBytes += costOf(writer);
    if (this.#byWriter.size > MAX_WRITERS) this.forgetOldest();
  }

  #forget(writer: string): void {
    if (this.#byWriter.delete(writer)) this.#memoryBytes -= costOf(writer);
  }
}

function costOf(writer: string): number {
  return WRITER_OVERHEAD_BYTES + CHARACTER_BYTES * writer.length;
}
