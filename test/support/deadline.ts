// Waiting that ends: at the deadline it fails with the state of what was waited for, so that a failure explains itself.

const DEADLINE_MS = 15_000;

/** What `promise` gives, or at the deadline a rejection with `state()`. */
export async function inTime<T>(promise: Promise<T>, state: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${DEADLINE_MS} ms: ${state()}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
