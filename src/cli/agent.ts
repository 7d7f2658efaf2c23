// One agent's life: start, say so, serve until a signal, stop cleanly. What serving means is the rpc layer's, what
// a process is the process layer's; this file owns the order.
import type { Logger } from "../logger.ts";
import { type OutputPolicy, ProcessTable } from "../process/index.ts";
import { type RunningServer, startServer } from "../rpc/index.ts";
import { endOnCrash, logWarnings } from "./crash.ts";
import { exitCodes } from "./exit-codes.ts";
import type { LogSettings } from "./log-settings.ts";
import { createLogger } from "./logging.ts";
import { isLoopback } from "./loopback.ts";
import { shutDown } from "./shutdown.ts";
import { listenForStopSignals } from "./signals.ts";
import { describeStartFailure } from "./start-failure.ts";
import { printError } from "./stdio.ts";

export interface AgentSettings {
  readonly host: string;
  readonly port: number;
  readonly drainTimeoutMs: number;
  readonly shutdownGraceMs: number;
  readonly output: OutputPolicy;
  readonly memoryBudgetBytes: number;
  readonly stallMs: number;
  readonly retainEndedMs: number;
  readonly log: LogSettings;
  /** HOLDFAST_ variables that set nothing. */
  readonly unknownVariables: readonly string[];
}

/** Resolves with the exit code when the agent has stopped or could not start; the caller ends the process. */
export async function runAgent(settings: AgentSettings): Promise<number> {
  const signals = listenForStopSignals();
  const logger = await createLogger(settings.log);
  logWarnings(logger);
  for (const name of settings.unknownVariables) logger.warn({ name }, `${name} sets nothing: misspelt?`);

  // A name that takes its time to resolve must not hold up a signal; nothing runs yet that would need stopping.
  const agent = await Promise.race([start(settings, logger), signals.stop]);
  if (typeof agent === "string") return exitCodes.done;
  if (agent === undefined) return exitCodes.failed;
  announce(agent.server, settings, logger);

  const signal = await signals.stop;
  return shutDown(agent, { signal, stopNow: signals.stopNow, graceMs: settings.shutdownGraceMs, logger });
}

interface Agent {
  readonly server: RunningServer;
  readonly table: ProcessTable;
}

/** undefined when it could not start and has said why. */
async function start(settings: AgentSettings, logger: Logger): Promise<Agent | undefined> {
  const { host, port } = settings;
  try {
    const table = new ProcessTable({ ...settings, logger });
    endOnCrash(logger, () => table.killAll());
    return { table, server: await startServer({ host, port, table, logger }) };
  } catch (error) {
    logger.debug({ err: error }, "could not start");
    printError(describeStartFailure(error, host, port));
    return undefined;
  }
}

function announce(server: RunningServer, { host }: AgentSettings, logger: Logger): void {
  // First, and alone on stdout: whoever started the agent waits for this line.
  process.stdout.write(`holdfast listening on ${server.url}\n`);
  logger.info({ url: server.url, pid: process.pid, node: process.version }, "ready");
  void isLoopback(host).then((safe) => {
    if (!safe)
      logger.warn({ host }, "not a loopback address: whoever reaches it can run commands here as this user");
  });
}
