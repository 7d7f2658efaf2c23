// Following AbortSignals. One signal may govern a hundred processes: it gets one listener from here whoever follows it,
// because runtimes warn of a leak beyond ten, and none is left behind when nobody follows any more.

const followersOf = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `follower` once when `signal` aborts, at once if it has. Returns what ends that. */
export function onAbort(signal: AbortSignal, follower: () => void): () => void {
  if (signal.aborted) {
    follower();
    return () => {
      // Nothing is followed.
    };
  }
  const followers = followersOf.get(signal) ?? listen(signal);
  // Wrapped, so that one function may follow twice.
  const entry = () => follower();
  followers.add(entry);
  return () => {
    followers.delete(entry);
    if (followers.size > 0 || followersOf.get(signal) !== followers) return;
    followersOf.delete(signal);
    signal.removeEventListener("abort", onSignal);
  };
}

function listen(signal: AbortSignal): Set<() => void> {
  const followers = new Set<() => void>();
  followersOf.set(signal, followers);
  signal.addEventListener("abort", onSignal, { once: true });
  return followers;
}

function onSignal(this: AbortSignal): void {
  const followers = followersOf.get(this);
  followersOf.delete(this);
  for (const follower of followers ?? []) follower();
}

/** A signal of its own that also aborts, with their reason, when one of `parents` does, until it is released. */
export class AbortScope {
  readonly #controller = new AbortController();
  readonly #unfollow: readonly (() => void)[];

  constructor(...parents: readonly (AbortSignal | undefined)[]) {
    this.#unfollow = parents
      .filter((parent) => parent !== undefined)
      .map((parent) => onAbort(parent, () => this.#controller.abort(parent.reason)));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Follows its parents no more. */
  release(): void {
    for (const unfollow of this.#unfollow) unfollow();
  }
}

/** As `promise`, but rejects with the signal's reason as soon as it aborts. */
export function untilAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const unfollow = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(unfollow);
  });
}
