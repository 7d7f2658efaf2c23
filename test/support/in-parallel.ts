// Runs many jobs, a few at a time.

/**
 * Calls `work` with 0 to `count` - 1, `width` at a time. Rejects with the first error, and starts
 * no more.
 */
export async function inParallel(
  count: number,
  width: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < count && !failed) {
      try {
        await work(next++);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
