// Stopping: no new streams, every process ended, their clients told, connections closed. In that order, and in bounded time.
import { constants } from "node:os";
import { exitCodes } from "../cli/index.ts";
import type { RunningServer } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { ProcessTable } from "../process/index.ts";
import type { ServingState } from "../rpc/index.ts";
import type { StopSignal } from "./stop-signals.ts";

export interface Stopping {
  readonly signal: StopSignal;
  /** Cuts the shutdown short: everything is killed at once. */
  readonly stopNow: Promise<StopSignal>;
  readonly graceMs: number;
  readonly logger: Logger;
}

/** How long the last of a stream, and its end event, may take to reach its client once the processes are gone. */
const FLUSH_MS = 1_000;

/** Beyond grace and flush. Reached only when a killed process does not die (a hung network file system, say). */
const STUCK_MS = 5_000;

/** What has to stop. */
interface Serving {
  readonly server: RunningServer;
  readonly serving: ServingState;
  readonly table: ProcessTable;
}

/** Returns the exit code; never rejects for what a process or client does. */
export async function shutDown(
  agent: Serving,
  { signal, stopNow, graceMs, logger }: Stopping,
): Promise<number> {
  const { table } = agent;
  logger.info({ signal, graceMs }, "stopping; another signal kills everything at once");
  const outcome = await Promise.race([
    stopCleanly(agent, graceMs),
    stopNow.then((again) => ({ kind: "interrupted", again }) as const),
    after(graceMs + FLUSH_MS + STUCK_MS),
  ]);
  switch (outcome.kind) {
    case "stopped":
      logger.info({ ended: outcome.ended, killed: outcome.killed }, "stopped");
      return exitCodes.done;
    case "interrupted":
      logger.warn(
        { signal: outcome.again, killed: table.killAll() },
        "killed everything: a second signal came",
      );
      return exitCodes.interrupted(constants.signals[outcome.again]);
    case "stuck":
      table.killAll();
      logger.error({ graceMs }, "gave up waiting for processes that do not end when killed");
      return exitCodes.failed;
  }
}

async function stopCleanly({ server, serving, table }: Serving, graceMs: number) {
  // Before the processes end: what is refused cannot start one that nobody would stop.
  serving.stop();
  server.stop();
  const counts = await table.shutdown(graceMs);
  await server.close(FLUSH_MS);
  return { kind: "stopped", ...counts } as const;
}

function after(ms: number): Promise<{ readonly kind: "stuck" }> {
  return new Promise((resolve) => setTimeout(() => resolve({ kind: "stuck" }), ms).unref());
}
