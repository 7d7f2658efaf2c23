// The changes of a directory since the last look, as paths to look at. They are collected from the moment the watch has
// begun, also while others are copied: no change is missed.

import type { Client } from "../../client/index.ts";
import { type UserFiles, Watchers } from "../../filesystem/index.ts";
import type { TransferContext } from "../copy/transfer-context.ts";
import { localProblem, remoteProblem } from "../files/file-problem.ts";

/** A program that saves a file makes several changes. */
const QUIET_MS = 100;
const MOST_MS = 1_000;

export interface Changes {
  /** Resolves when something has changed and then nothing for a moment. `""` is the whole directory. Rejects if the watch fails. */
  next(): Promise<readonly string[]>;
  close(): void;
}

interface Change {
  readonly name: string;
  readonly rescan: boolean;
}

export async function localChanges(
  files: UserFiles,
  directory: string,
  exclude: readonly string[],
  signal: AbortSignal,
): Promise<Changes> {
  const watchers = new Watchers({
    maxWatchers: 1,
    retainMs: 60_000,
    // The queue has a limit of its own.
    reserve: () => ({ resize: () => true, release: () => undefined }),
  });
  try {
    const request = { path: directory, recursive: true, allowNetwork: true, includeEntry: false };
    const watcher = await watchers.create(files, { ...request, exclude });
    watchers.read(watcher.id);
    async function* events(): AsyncGenerator<Change, void, void> {
      for (;;) {
        signal.throwIfAborted();
        yield* watcher.queue.take(undefined);
        watcher.queue.forgetRead();
        if (watcher.failure !== undefined) throw localProblem("watch", directory, watcher.failure);
        if (watcher.queue.next === watcher.queue.read) await watcher.queue.changed(signal);
      }
    }
    return collect(events(), () => watchers.close());
  } catch (error) {
    watchers.close();
    throw localProblem("watch", directory, error);
  }
}

export async function remoteChanges(
  client: Client,
  directory: string,
  exclude: readonly string[],
  { signal, view }: Pick<TransferContext, "signal" | "view">,
): Promise<Changes> {
  try {
    const watch = await client.files.watch(directory, {
      recursive: true,
      allowNetworkMounts: true,
      exclude,
      signal,
      onReconnect: view.reconnecting,
    });
    async function* events(): AsyncGenerator<Change, void, void> {
      try {
        for await (const { kind, name } of watch) yield { name, rescan: kind === "rescan" };
      } catch (error) {
        throw remoteProblem(error, directory);
      }
    }
    return collect(events(), () => watch.close());
  } catch (error) {
    throw remoteProblem(error, directory);
  }
}

function collect(events: AsyncIterable<Change>, close: () => void): Changes {
  let changed = new Set<string>();
  let failure: { readonly error: unknown } | undefined;
  let lastMs = 0;
  let firstMs = 0;
  let wake: () => void = () => undefined;
  const gather = async () => {
    for await (const { name } of events) {
      lastMs = performance.now();
      if (changed.size === 0) firstMs = lastMs;
      changed.add(name === "." ? "" : name);
      wake();
    }
  };
  gather().catch((error: unknown) => {
    failure = { error };
    wake();
  });
  const wait = (ms: number | undefined) =>
    new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  return {
    close,
    next: async () => {
      for (;;) {
        if (failure !== undefined && changed.size === 0) throw failure.error;
        const nowMs = performance.now();
        const dueMs = Math.min(lastMs + QUIET_MS, firstMs + MOST_MS);
        if (changed.size > 0 && (nowMs >= dueMs || failure !== undefined)) break;
        await wait(changed.size === 0 ? undefined : dueMs - nowMs);
      }
      const paths = [...changed];
      changed = new Set();
      return paths;
    },
  };
}
