// How much input of one process has been accepted: the total, and the bytes of each named writer.

import { HoldfastError } from "../../errors.ts";
import { lengthProblem } from "../../text.ts";

/**
 * The writer that wrote longest ago is forgotten first. If it continues, its input is refused as a
 * hole, never doubled.
 */
const MAX_WRITERS = 256;
const MAX_WRITER_LENGTH = 128;

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

  constructor(saved?: AcceptedInputState) {
    this.#bytes = saved?.bytes ?? 0;
    for (const [writer, bytes] of saved?.writers ?? []) this.#byWriter.set(writer, bytes);
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

  #remember(writer: string, bytes: number): void {
    // Deleted first: a Map keeps the order in which its keys were added.
    this.#byWriter.delete(writer);
    this.#byWriter.set(writer, bytes);
    const [oldest] = this.#byWriter.keys();
    if (oldest !== undefined && this.#byWriter.size > MAX_WRITERS) this.#byWriter.delete(oldest);
  }
}
