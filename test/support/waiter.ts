/** Waits for a state of a program, by looking again after each change. */
export interface Waiter {
  /** Call it after each change of what `look` looks at. */
  changed(): void;
  /**
   * Resolves with the first result of `look`, now or after any change. Rejects with the error of `failure`, if
   * that returns one, and with `state` at the deadline.
   */
  until<T>(what: string, look: () => T | undefined, failure?: () => Error | undefined): Promise<T>;
}

export function createWaiter(deadlineMs: number, state: () => string): Waiter {
  const waiting = new Set<() => void>();
  return {
    changed: () => {
      for (const look of [...waiting]) look();
    },
    until: (what, look, failure = () => undefined) =>
      new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          clearTimeout(deadline);
          waiting.delete(check);
          act();
        };
        const check = (): void => {
          const found = look();
          const error = found === undefined ? failure() : undefined;
          if (found !== undefined) settle(() => resolve(found));
          else if (error !== undefined) settle(() => reject(error));
        };
        const late = () => settle(() => reject(new Error(`no ${what} within ${deadlineMs} ms: ${state()}`)));
        const deadline = setTimeout(late, deadlineMs);
        waiting.add(check);
        check();
      }),
  };
}
