// File calls off the event loop, with the rights of the agent or of the user. Each call runs as a
// whole on a thread (threads/): nothing here waits for a file system, and no thread ever changes
// its rights.

import type { FILE_ACCESS_MODES } from "./defaults.ts";
import type { FileUser } from "./file-user.ts";
import type { ArgumentsOf, OperationName, ResultOf } from "./threads/operations.ts";
import { POOL_LIMITS, type PoolCall, type PoolLimits, ThreadPool } from "./threads/thread-pool.ts";

/** `agent`: the rights of the agent; new files are given to the user. `user`: the user's own rights. */
export type FileAccessMode = (typeof FILE_ACCESS_MODES)[number];

/** With `user`: how many users have threads at a time, idle ones included. */
const MAX_IDENTITIES = 32;

export interface CallOptions {
  /** Gets the parts of a long result. */
  readonly onPart?: (part: unknown) => void;
  /** Ends the call at its next step. */
  readonly signal?: AbortSignal;
}

/** File calls for one user. */
export interface UserFiles {
  readonly user: FileUser;
  /**
   * Runs one operation of threads/operations.ts. Rejects with a FileError; `unavailable` if the file system does not
   * answer in time.
   */
  call<Name extends OperationName>(
    name: Name,
    values: ArgumentsOf<Name>,
    options?: CallOptions,
  ): Promise<ResultOf<Name>>;
}

export interface FileAccess {
  readonly mode: FileAccessMode;
  for(user: FileUser): UserFiles;
  /** How many threads exist. */
  readonly threadCount: number;
  /** Ends the threads. Later calls fail. */
  close(): Promise<void>;
}

export function createFileAccess(mode: FileAccessMode, limits: Partial<PoolLimits> = {}): FileAccess {
  const pools = new Map<string, ThreadPool>();
  const poolFor = (user: FileUser): ThreadPool => {
    const asAgent = mode === "agent" || user.isOwn;
    const key = asAgent ? "" : `${user.uid}:${user.gid}:${user.groups.join(",")}`;
    const known = pools.get(key);
    if (known !== undefined) {
      // The one used last is the last in order.
      pools.delete(key);
      pools.set(key, known);
      return known;
    }
    if (pools.size >= MAX_IDENTITIES) closeUnused(pools);
    const pool = new ThreadPool(asAgent ? undefined : identityOf(user), { ...POOL_LIMITS, ...limits });
    pools.set(key, pool);
    return pool;
  };
  return {
    mode,
    for: (user) => ({ user, call: (name, values, options) => run(poolFor(user), name, values, options) }),
    get threadCount() {
      let count = 0;
      for (const pool of pools.values()) count += pool.threadCount;
      return count;
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}

function identityOf({ uid, gid, groups }: FileUser) {
  return { uid, gid, groups };
}

function closeUnused(pools: Map<string, ThreadPool>): void {
  for (const [key, pool] of pools) {
    if (!pool.isIdle) continue;
    pools.delete(key);
    void pool.close();
    return;
  }
}

function run<Name extends OperationName>(
  pool: ThreadPool,
  name: Name,
  values: ArgumentsOf<Name>,
  { onPart, signal }: CallOptions = {},
): Promise<ResultOf<Name>> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => pool.giveUp(call);
    const settle = () => signal?.removeEventListener("abort", onAbort);
    const call: PoolCall = {
      name,
      values,
      path: pathIn(values),
      onPart,
      resolve: (result) => {
        settle();
        resolve(result as ResultOf<Name>);
      },
      reject: (error) => {
        settle();
        reject(error);
      },
    };
    signal?.addEventListener("abort", onAbort);
    pool.run(call);
  });
}

/** The first path among the arguments, or that of a request. */
function pathIn(values: readonly unknown[]): string | undefined {
  for (const value of values) {
    const path = typeof value === "object" && value !== null && "path" in value ? value.path : value;
    if (typeof path === "string" && path.startsWith("/")) return path;
    if (path instanceof Uint8Array && path[0] === 0x2f) return Buffer.from(path).toString();
  }
  return undefined;
}
