export { giveBack, takeBuffer, takeCopy } from "./buffer-pool.ts";
export { type Chunk, chunkEnd, type Marked, type Offset, type OutputStream, offset } from "./chunk.ts";
export { KEEP_BY_REFERENCE_BYTES } from "./chunk-queue.ts";
export { type PausedReason, SPENT_READ_BYTES } from "./gate.ts";
export { type BudgetMember, type BudgetShare, MemoryBudget, type Reservation } from "./memory-budget.ts";
export { Multiplexer } from "./multiplexer.ts";
export type { DetachedMode, MultiplexerOptions } from "./multiplexer-options.ts";
export type { Fork, ReadResult, Subscriber } from "./subscriber.ts";
export type { TimeMark } from "./time-marks.ts";
