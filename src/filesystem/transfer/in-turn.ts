// Changes of one file one after the other: two uploads to it must not be mixed.

const last = new Map<string, Promise<unknown>>();

/** Runs `change` when all earlier ones with the same key have ended. */
export async function inTurn<T>(key: string, change: () => Promise<T>): Promise<T> {
  const before = last.get(key) ?? Promise.resolve();
  const running = before.then(change, change);
  last.set(key, running);
  try {
    return await running;
  } finally {
    if (last.get(key) === running) last.delete(key);
  }
}
