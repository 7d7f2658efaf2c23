// Counts the frames that connections have not accepted yet in the memory budget (rule 14), as far as they are copies: a frame
// of JSON holds its output once more, a third longer. Counting never fails; a spent budget slows the output down.

import type { BudgetShare, MemoryBudget } from "../../multiplexer/index.ts";
import type { FramePart } from "./event-frames.ts";
import { isPooled, returnFrameBuffer } from "./frame-buffers.ts";

export class FramesInFlight {
  readonly #share: BudgetShare;
  #bytes = 0;

  constructor(budget: Pick<MemoryBudget, "join">) {
    this.#share = budget.join({});
  }

  /**
   * A connection has been given `parts`. Returns the function to call when it has accepted them, or, with an error, never
   * will. Pooled buffers are then given back; after an error, the connection may still read them.
   */
  add(parts: readonly FramePart[]): (error?: Error | null) => void {
    // Output itself is a buffer of the window, which counts it.
    let bytes = 0;
    for (const part of parts) if (typeof part === "string" || isPooled(part)) bytes += part.length;
    this.#change(bytes);
    return (error) => {
      this.#change(-bytes);
      bytes = 0;
      if (error) return;
      for (const part of parts) if (typeof part !== "string") returnFrameBuffer(part);
    };
  }

  #change(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes += bytes;
    this.#share.report(this.#bytes);
  }
}
