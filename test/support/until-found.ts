/**
 * Calls `look` until it finds something, for state that brings no event. Rejects at the deadline
 * with the latest `state`.
 */
export async function untilFound<T>(
  look: () => T | undefined | Promise<T | undefined>,
  state: () => unknown,
  deadlineMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline)
      throw new Error(`not within ${deadlineMs} ms: ${JSON.stringify(await state())}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
