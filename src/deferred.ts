// A promise that is settled from outside.

export interface Deferred<T> {
  readonly promise: Promise<T>;
  /** The first call of `resolve` or `reject` counts; later ones do nothing. */
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = unreachable;
  let reject: (error: unknown) => void = unreachable;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function unreachable(): never {
  throw new Error("a promise runs its executor within its constructor");
}
