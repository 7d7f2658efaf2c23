// Waits with a deadline: the error shows the state that it waited for.

const DEADLINE_MS = 15_000;

/** Settles as `promise` does, or rejects with `state()` at the deadline. */
export async function inTime<T>(promise: Promise<T>, state: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${DEADLINE_MS} ms: ${state()}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
