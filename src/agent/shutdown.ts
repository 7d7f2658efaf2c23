// Stopping the agent: refuse new streams, end every process, send the clients the rest of their streams, close the
// connections. In this order, and in bounded time.

import type { FileAccess, Watchers } from "../filesystem/index.ts";
import type { RunningServer } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { ProcessTable } from "../process/index.ts";
import type { ServingState, Stopping } from "../rpc/index.ts";
import type { StopSignal } from "./stop-signals.ts";

export interface ShutdownOptions {
  readonly signal: StopSignal;
  /** Cuts the shutdown short: every process is killed at once. */
  readonly stopNow: Promise<StopSignal>;
  readonly graceMs: number;
  readonly logger: Logger;
}

export type ShutdownOutcome =
  | { readonly kind: "stopped" }
  | { readonly kind: "interrupted"; readonly signal: StopSignal }
  /** A killed process did not end. */
  | { readonly kind: "stuck" };

/** The time for the last bytes and the end event of each stream to reach the client after the processes ended. */
const FLUSH_MS = 1_000;

/** In addition to grace and flush. Reached only when a killed process does not die, for example on a hung file system. */
const STUCK_MS = 5_000;

interface StoppableAgent {
  readonly server: RunningServer;
  readonly serving: ServingState;
  readonly table: ProcessTable;
  readonly files: FileAccess;
  readonly watchers: Watchers;
}

/** Never rejects because of a process or a client. */
export async function shutDown(
  agent: StoppableAgent,
  { signal, stopNow, graceMs, logger }: ShutdownOptions,
): Promise<ShutdownOutcome> {
  const { table } = agent;
  logger.info({ signal, graceMs }, "stopping; another signal kills everything at once");
  const outcome = await Promise.race([
    stopCleanly(agent, { reason: signal, graceMs }),
    stopNow.then((second) => ({ kind: "interrupted", second }) as const),
    after(graceMs + FLUSH_MS + STUCK_MS),
  ]);
  switch (outcome.kind) {
    case "stopped":
      logger.info({ ended: outcome.ended, killed: outcome.killed }, "stopped");
      return { kind: "stopped" };
    case "interrupted":
      logger.warn(
        { signal: outcome.second, killed: table.killAll() },
        "killed everything: received a second signal",
      );
      return { kind: "interrupted", signal: outcome.second };
    case "stuck":
      table.killAll();
      logger.error({ graceMs }, "stopped waiting for killed processes that do not end");
      return { kind: "stuck" };
  }
}

async function stopCleanly({ server, serving, table, files, watchers }: StoppableAgent, stopping: Stopping) {
  // Before the processes end: a start that is accepted later would not be stopped, and clients learn why
  // their processes end.
  serving.stop(stopping);
  server.stop();
  const counts = await table.shutdown(stopping.graceMs);
  await server.close(FLUSH_MS);
  watchers.close();
  await files.close();
  return { kind: "stopped", ...counts } as const;
}

function after(ms: number): Promise<{ readonly kind: "stuck" }> {
  return new Promise((resolve) => setTimeout(() => resolve({ kind: "stuck" }), ms).unref());
}
