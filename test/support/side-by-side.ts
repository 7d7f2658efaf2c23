/**
 * Runs `work` for all cases at the same time, within one test: for cases that mostly wait. Rejects after all
 * of them, with the name of each case that failed.
 */
export async function sideBySide<T>(
  cases: readonly (readonly [name: string, T])[],
  work: (value: T, name: string) => Promise<void>,
): Promise<void> {
  const settled = await Promise.allSettled(cases.map(([name, value]) => work(value, name)));
  const failed = settled.flatMap((result, index) =>
    result.status === "rejected" ? [{ name: cases[index]?.[0], error: result.reason as unknown }] : [],
  );
  if (failed.length === 0) return;
  const text = failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : error}`);
  throw new AggregateError(
    failed.map(({ error }) => error),
    text.join("\n"),
  );
}
