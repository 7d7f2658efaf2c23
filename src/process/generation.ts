// The generation of the machine: one life between two restores from a snapshot (rule 18). Owns its
// id, and the offset up to which the output of earlier generations is the same as here.
// agent/generation-watch.ts detects the change.

import { kernelRandomUuid } from "../linux/index.ts";
import { type Offset, offset } from "../multiplexer/index.ts";
import type { Process } from "./process.ts";
import type { GenerationState } from "./table-state.ts";

/** `sentTo` is the end of the output that `generation` has sent to clients of one process. */
interface GenerationEnd {
  readonly generation: string;
  readonly sentTo: Offset;
}

/** Of each process; older ones are treated like unknown ones. */
const MAX_ENDS = 64;

export class Generation {
  readonly #processes: () => Iterable<Process>;
  readonly #ends = new WeakMap<Process, GenerationEnd[]>();
  #id: string;

  /** `processes` lists the running and the retained ones. */
  constructor(processes: () => Iterable<Process>, saved?: GenerationState) {
    this.#processes = processes;
    this.#id = saved?.id ?? kernelRandomUuid();
  }

  save(): GenerationState {
    const ends = [...this.#processes()].map((process) => ({
      processId: process.processId,
      ends: this.#ends.get(process) ?? [],
    }));
    return { id: this.#id, ends: ends.filter(({ ends }) => ends.length > 0) };
  }

  /** The ends of the processes, once these are restored. */
  restoreEnds(saved: GenerationState): void {
    const byId = new Map(saved.ends.map(({ processId, ends }) => [processId, ends]));
    for (const process of this.#processes()) {
      const ends = byId.get(process.processId);
      if (ends === undefined) continue;
      this.#ends.set(
        process,
        ends.map(({ generation, sentTo }) => ({ generation, sentTo: offset(sentTo) })),
      );
    }
  }

  get id(): string {
    return this.#id;
  }

  /** Starts a new generation. From now on this machine's output may differ from that of its clones. */
  begin(): void {
    for (const process of this.#processes()) {
      const ends = this.#ends.get(process) ?? [];
      this.#ends.set(process, ends);
      ends.push({ generation: this.#id, sentTo: process.output.sentTo });
      // The first one is the lower bound for unknown generations.
      if (ends.length > MAX_ENDS) ends.splice(1, 1);
    }
    this.#id = kernelRandomUuid();
  }

  /**
   * A client that received output in `generation` received the same bytes up to here. Beyond, its bytes may come from a
   * clone of this machine, or from a life that a restore has undone.
   */
  commonTo(process: Process, generation: string): Offset {
    if (generation === this.#id) return process.output.sentTo;
    const ends = this.#ends.get(process) ?? [];
    // An unknown generation belongs to a clone, which left this timeline at the first end or later.
    const end = ends.findLast((known) => known.generation === generation) ?? ends[0];
    return end?.sentTo ?? offset(0);
  }
}
