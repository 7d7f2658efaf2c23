// Counts of the processes of this agent since it started, for the metrics.

import type { OutputStream } from "../../multiplexer/index.ts";
import type { InputKind } from "../io/input.ts";
import type { LatenciesState, StatisticsState } from "../table-state.ts";

/** A histogram of durations with fixed buckets. */
export class Latencies {
  /**
   * The upper bounds of the buckets in seconds, ascending. Longer durations count only in `count`.
   */
  readonly bounds: readonly number[];
  /** For each bound, how many durations are in its bucket alone. */
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  save(): LatenciesState {
    return { counts: [...this.#counts], count: this.#count, sum: this.#sum };
  }

  /** If its buckets are others now, it begins anew. */
  restore({ counts, count, sum }: LatenciesState): void {
    if (counts.length !== this.#counts.length) return;
    for (const [index, value] of counts.entries()) this.#counts[index] = value;
    this.#count = count;
    this.#sum = sum;
  }

  observe(ms: number): void {
    const seconds = ms / 1000;
    this.#count++;
    this.#sum += seconds;
    const index = this.bounds.findIndex((bound) => seconds <= bound);
    if (index >= 0) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }

  get count(): number {
    return this.#count;
  }

  /** In seconds. */
  get sum(): number {
    return this.#sum;
  }

  /** For each bound, how many durations are not longer. */
  get cumulative(): readonly number[] {
    let sum = 0;
    return this.#counts.map((count) => {
      sum += count;
      return sum;
    });
  }
}

/** Since the agent started. ProcessTable.statistics adds the processes that still run. */
export interface ProcessStatistics {
  started: number;
  /** Starts that were refused or failed. */
  refused: number;
  readonly outputBytes: Record<OutputStream, number>;
  /** Accepted, each byte once. */
  readonly inputBytes: Record<InputKind, number>;
  /** How often reading stopped because no subscriber could accept output. */
  readPauses: number;
  /** How often a subscriber had to wait for a slower one. */
  stalls: number;
  /** From the request to the started process. */
  readonly startLatencies: Latencies;
  /** From the exit to the end of the output. */
  readonly drainLatencies: Latencies;
}

const START_BOUNDS = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const DRAIN_BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 5];

export function createStatistics(): ProcessStatistics {
  return {
    started: 0,
    refused: 0,
    outputBytes: { stdout: 0, stderr: 0, pty: 0 },
    inputBytes: { stdin: 0, pty: 0 },
    readPauses: 0,
    stalls: 0,
    startLatencies: new Latencies(START_BOUNDS),
    drainLatencies: new Latencies(DRAIN_BOUNDS),
  };
}

export function saveStatistics(statistics: ProcessStatistics): StatisticsState {
  const { startLatencies, drainLatencies, ...counts } = statistics;
  return { ...counts, startLatencies: startLatencies.save(), drainLatencies: drainLatencies.save() };
}

/** A count that the other version did not have begins at 0. */
export function restoreStatistics(saved: StatisticsState): ProcessStatistics {
  const { startLatencies, drainLatencies, outputBytes, inputBytes, ...counts } = saved;
  const statistics = createStatistics();
  statistics.startLatencies.restore(startLatencies);
  statistics.drainLatencies.restore(drainLatencies);
  Object.assign(statistics.outputBytes, outputBytes);
  Object.assign(statistics.inputBytes, inputBytes);
  return Object.assign(statistics, counts);
}

/** The counts that a process keeps itself while it runs. */
interface CountedProcess {
  readonly request: { readonly stdio: { readonly kind: string } };
  readonly inputBytes: number;
  readonly output: { readonly pauseCount: number; readonly stallCount: number };
}

export function addProcess(sum: ProcessStatistics, process: CountedProcess): void {
  sum.inputBytes[process.request.stdio.kind === "pty" ? "pty" : "stdin"] += process.inputBytes;
  sum.readPauses += process.output.pauseCount;
  sum.stalls += process.output.stallCount;
}
