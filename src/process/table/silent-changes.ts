// Changes that no event reports: the wall clock was set, or a process got stuck in a write, or continues. They are looked
// for when a client polls. The kernel has to be asked about each process, so of many processes only a part is looked at.

/** Every process is looked at within this time. */
const ROUND_MS = 5_000;
/** So many are looked at in any case. */
const MIN_LOOKS = 64;
/** The wall clock and the monotonic clock moved apart: the times of the starts may have changed. */
const CLOCK_MS = 10;

/** Its two getters look, and report a change that they find. */
export interface LookedAt {
  readonly blockedMs: number | undefined;
  readonly startedAtMs: number;
}

export class SilentChanges {
  readonly #live: ReadonlySet<LookedAt>;
  /** Continues where the last look ended, also over processes that came or went meanwhile. */
  #round: Iterator<LookedAt, unknown>;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #clockMs = wallMinusMonotonicMs();

  constructor(live: ReadonlySet<LookedAt>) {
    this.#live = live;
    this.#round = live.values();
  }

  /** `all` are the live and the ended ones. */
  detect(nowMs: number, all: () => Iterable<LookedAt>): void {
    this.#followClock(all);
    const share = Math.min(1, (nowMs - this.#lookedAtMs) / ROUND_MS);
    this.#lookedAtMs = nowMs;
    const { size } = this.#live;
    const looks = Math.min(size, Math.max(MIN_LOOKS, Math.ceil(share * size)));
    for (let looked = 0; looked < looks; looked++) void this.#next()?.blockedMs;
  }

  #next(): LookedAt | undefined {
    const next = this.#round.next();
    if (next.done !== true) return next.value;
    this.#round = this.#live.values();
    const first = this.#round.next();
    return first.done === true ? undefined : first.value;
  }

  #followClock(all: () => Iterable<LookedAt>): void {
    const clockMs = wallMinusMonotonicMs();
    if (Math.abs(clockMs - this.#clockMs) < CLOCK_MS) return;
    this.#clockMs = clockMs;
    for (const process of all()) void process.startedAtMs;
  }
}

function wallMinusMonotonicMs(): number {
  return Date.now() - performance.now();
}
