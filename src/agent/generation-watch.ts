// Starts a new generation when this machine was restored from a snapshot or cloned (rule 18): POST
// /init has a new lifecycleID, or the VMClock device has a new counter. Older connections reach no
// client then, so they are closed: their clients reconnect at once instead of waiting for a
// time-out.

import { realClock } from "../clock.ts";
import type { NodeRequest, RequestListener, RunningServer } from "../http/index.ts";
import { openVmClock, type VmClock } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import type { ProcessTable } from "../process/index.ts";

export interface GenerationWatchOptions {
  readonly table: Pick<ProcessTable, "generation">;
  readonly server: () => Pick<RunningServer, "closeConnections" | "checkListeners"> | undefined;
  /** Called in each new generation: earlier codes and connections of clients are void. */
  readonly onBegin?: () => void;
  readonly logger: Logger;
  /** For tests. */
  readonly vmClock?: VmClock | undefined;
  /** The last value that another image of this agent saw: see `vmGeneration`. */
  readonly savedVmGeneration?: string | undefined;
}

export class GenerationWatch {
  readonly #options: GenerationWatchOptions;
  readonly #vmClock: VmClock | undefined;
  #vmGeneration: bigint | undefined;

  constructor(options: GenerationWatchOptions) {
    this.#options = options;
    this.#vmClock = "vmClock" in options ? options.vmClock : openVmClock();
    const { savedVmGeneration: saved } = options;
    this.#vmGeneration = saved === undefined ? this.#vmClock?.generation() : BigInt(saved);
    realClock.onPause((pausedMs) => {
      options.logger.info({ pausedMs: Math.round(pausedMs) }, "continued after a pause");
      this.#check();
    });
  }

  /** The counter of the machine that was seen last. */
  get vmGeneration(): string | undefined {
    return this.#vmGeneration?.toString();
  }

  /** `asking` is the request that reported the change; its connection stays. */
  begin(reason: "lifecycleID" | "vmclock", asking?: NodeRequest): void {
    const { table, logger } = this.#options;
    table.generation.begin();
    this.#options.onBegin?.();
    const server = this.#options.server();
    const closed = server?.closeConnections(asking) ?? 0;
    logger.info(
      { generation: table.generation.id, reason, closed },
      "new generation: older connections closed",
    );
    server?.checkListeners().catch((error: unknown) => {
      logger.error({ err: error }, "listening anew failed");
    });
  }

  /** A restored agent that was at rest learns of the restore by its first request. */
  watch(listener: RequestListener): RequestListener {
    if (this.#vmClock === undefined) return listener;
    return (request, response) => {
      this.#check(request);
      listener(request, response);
    };
  }

  #check(asking?: NodeRequest): void {
    const generation = this.#vmClock?.generation();
    if (generation === this.#vmGeneration) return;
    this.#vmGeneration = generation;
    this.begin("vmclock", asking);
  }
}
