// Following AbortSignals. One signal may end a hundred calls. It gets a single listener from here,
// because runtimes warn of a leak beyond ten, and that listener is removed with its last follower.

const followersOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `follower` once: when `signal` aborts, or at once if it has aborted. The returned function
 * ends that.
 */
export function onAbort(signal: AbortSignal, follower: () => void): () => void {
  if (signal.aborted) {
    follower();
    return () => {
      // There is nothing to remove.
    };
  }
  const followers = followersOf.get(signal) ?? listen(signal);
  // A new function each time, so that one `follower` can be added twice.
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

/**
 * A signal of its own. It also aborts, with the parent's reason, when one of `parents` aborts,
 * until it is released or aborted.
 */
export class AbortScope {
  readonly #controller = new AbortController();
  readonly #unfollow: (() => void)[] = [];

  constructor(...parents: readonly (AbortSignal | undefined)[]) {
    for (const parent of parents)
      if (parent !== undefined && !this.signal.aborted)
        this.#unfollow.push(onAbort(parent, () => this.abort(parent.reason)));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The parents hold the scope no longer: some live as long as the client. */
  abort(reason: unknown): void {
    this.release();
    this.#controller.abort(reason);
  }

  /** Stops following the parents. */
  release(): void {
    for (const unfollow of this.#unfollow.splice(0)) unfollow();
  }
}

/** Settles as `promise` does, but rejects with the signal's reason as soon as `signal` aborts. */
export function untilAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const unfollow = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(unfollow);
  });
}
