// Returns the memory of Node's code to the kernel while the agent is idle (rule 19). An agent waits most
// of its life, and 30 of its 60 MB resident are code that waiting does not use.

import { type Clock, realClock, type Timer } from "../clock.ts";
import type { RequestListener } from "../http/index.ts";
import { type AddressRange, pageOut, readOnlyFileRanges } from "../linux/index.ts";
import type { Logger } from "../logger.ts";

/** An agent that worked less than this in the idle time was idle: keepalives and a probe or two. */
const IDLE_CPU_MS = 50;

export interface IdlePagesOptions {
  /** The time without work before the pages go. */
  readonly idleMs: number;
  readonly logger: Logger;
  /** For tests. */
  readonly parts?: {
    readonly clock: Clock;
    readonly cpuMs: () => number;
    readonly ranges: () => readonly AddressRange[];
    readonly pageOut: (range: AddressRange) => boolean;
  };
}

/**
 * Each request begins a new idle time. After it the pages go once, and no timer is left until the next
 * request. While the agent works without a request (output of running processes), the time is extended.
 */
export class IdlePages {
  readonly #options: IdlePagesOptions;
  readonly #parts: NonNullable<IdlePagesOptions["parts"]>;
  #timer: Timer | undefined;
  /** Grows with each request. */
  #requests = 0;
  #isUnsupported = false;

  constructor(options: IdlePagesOptions) {
    this.#options = options;
    this.#parts = options.parts ?? {
      clock: realClock,
      cpuMs: ownCpuMs,
      ranges: () => readOnlyFileRanges(),
      pageOut,
    };
  }

  watch(listener: RequestListener): RequestListener {
    return (request, response) => {
      this.#requests++;
      this.start();
      listener(request, response);
    };
  }

  start(): void {
    if (this.#timer !== undefined || this.#isUnsupported) return;
    const requests = this.#requests;
    const cpuMs = this.#parts.cpuMs();
    this.#timer = this.#parts.clock.startTimer(this.#options.idleMs, () => {
      this.#timer = undefined;
      const isIdle = requests === this.#requests && this.#parts.cpuMs() - cpuMs < IDLE_CPU_MS;
      if (isIdle) this.#pageOut();
      else this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#isUnsupported = true;
  }

  /** One step a turn, so that a request waits for 2 ms at most; a request ends it. */
  #pageOut(): void {
    const ranges = this.#parts.ranges().values();
    const requests = this.#requests;
    const step = () => {
      if (requests !== this.#requests || this.#isUnsupported) return;
      const next = ranges.next();
      if (next.done) return;
      if (this.#parts.pageOut(next.value)) setImmediate(step);
      else this.#giveUp();
    };
    step();
  }

  #giveUp(): void {
    this.#isUnsupported = true;
    this.#options.logger.debug({}, "this kernel cannot page out code of an idle agent (Linux before 5.4)");
  }
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
