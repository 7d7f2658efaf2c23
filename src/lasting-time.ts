// Times that outlive this image of the agent: milliseconds of the kernel's monotonic clock. `performance.now()` and
// the running clock (clock.ts) begin anew with each image; pauses before count for neither.

/** `nowMs` and `atMs` are of the same clock. */
export function toLastingMs(atMs: number, nowMs: number): number {
  return lastingNowMs() + atMs - nowMs;
}

/** The same moment on the clock that shows `nowMs` now. */
export function fromLastingMs(lastingMs: number, nowMs: number): number {
  return nowMs + lastingMs - lastingNowMs();
}

export function lastingNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
