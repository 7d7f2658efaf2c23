// How fast each process writes: the offsets of the last 60 seconds, the rate now and a line to draw. No clock
// of its own.

const KEPT_MS = 60_000;
/** The rate is that of the last two polls or so. */
const NOW_MS = 2_500;

interface Sample {
  readonly atMs: number;
  readonly offset: number;
}

export class Rates {
  readonly #samples = new Map<string, Sample[]>();

  add(processId: string, offset: number, atMs: number): void {
    const samples = this.#samples.get(processId) ?? [];
    samples.push({ atMs, offset });
    while ((samples[1]?.atMs ?? atMs) < atMs - KEPT_MS) samples.shift();
    this.#samples.set(processId, samples);
  }

  /** Forgets all others. */
  keep(processIds: ReadonlySet<string>): void {
    for (const processId of this.#samples.keys())
      if (!processIds.has(processId)) this.#samples.delete(processId);
  }

  /** In bytes per second. */
  now(processId: string, atMs: number): number {
    const samples = this.#samples.get(processId) ?? [];
    const first = samples.find((sample) => sample.atMs >= atMs - NOW_MS) ?? samples.at(-1);
    const last = samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return Math.max(0, ((last.offset - first.offset) * 1000) / (last.atMs - first.atMs));
  }

  /** The rates of the last 60 seconds as the path of an SVG; "" if nothing was written. */
  sparkline(processId: string, atMs: number, width: number, height: number): string {
    const samples = this.#samples.get(processId) ?? [];
    const rates = samples.slice(1).map((sample, index) => {
      const before = samples[index] ?? sample;
      const rate = (sample.offset - before.offset) / Math.max(1, sample.atMs - before.atMs);
      return { atMs: sample.atMs, rate: Math.max(0, rate) };
    });
    const highest = Math.max(0, ...rates.map(({ rate }) => rate));
    if (highest === 0) return "";
    const x = (at: number) => round(width - ((atMs - at) / KEPT_MS) * width);
    const y = (rate: number) => round(height - 1 - (rate / highest) * (height - 2));
    return rates.map(({ atMs: at, rate }, index) => `${index === 0 ? "M" : "L"}${x(at)} ${y(rate)}`).join("");
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
