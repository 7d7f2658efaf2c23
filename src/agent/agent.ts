// One agent's life: start, say so, serve until a signal, stop cleanly. What serving means is the rpc layer's, what
// a process is the process layer's; this file owns the order.

import {
  type AccessSettings,
  type CommandSettings,
  exitCodes,
  type LimitSettings,
  type LogSettings,
  printError,
} from "../cli/index.ts";
import { createControl } from "../control/index.ts";
import { AccessToken, type ListenAddress, type RunningServer, startServer } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import {
  type AgentDefaults,
  agentDefaults,
  checkUser,
  type OutputPolicy,
  ProcessTable,
} from "../process/index.ts";
import { ClientActivity, createRpcAnswer, ServingState } from "../rpc/index.ts";
import { sampled } from "../sampled-logger.ts";
import { endOnCrash, logWarnings } from "./crash.ts";
import { createLogger } from "./log.ts";
import { shutDown } from "./shutdown.ts";
import { describeStartFailure } from "./start-failure.ts";
import { listenForStopSignals } from "./stop-signals.ts";

export interface AgentSettings {
  /** At least one. */
  readonly addresses: readonly ListenAddress[];
  readonly access: AccessSettings;
  readonly limits: LimitSettings;
  readonly commands: CommandSettings;
  readonly drainTimeoutMs: number;
  readonly shutdownGraceMs: number;
  readonly output: OutputPolicy;
  readonly memoryBudgetBytes: number;
  readonly stallMs: number;
  readonly retainEndedMs: number;
  readonly log: LogSettings;
  readonly logCommands: boolean;
  /** HOLDFAST_ variables that set nothing. */
  readonly unknownVariables: readonly string[];
}

/** Resolves with the exit code when the agent has stopped or could not start; the caller ends the process. */
export async function runAgent(settings: AgentSettings): Promise<number> {
  const signals = listenForStopSignals();
  // An error that repeats, whatever causes it, must not fill a disk.
  const logger = sampled(await createLogger(settings.log), ["error"]);
  logWarnings(logger);
  for (const name of settings.unknownVariables) logger.warn({ name }, `${name} sets nothing: misspelt?`);

  // A name that takes its time to resolve must not hold up a signal; nothing runs yet that would need stopping.
  const agent = await Promise.race([start(settings, logger), signals.stop]);
  if (typeof agent === "string") return exitCodes.done;
  if (agent === undefined) return exitCodes.failed;
  announce(agent, logger);

  const signal = await signals.stop;
  return shutDown(agent, { signal, stopNow: signals.stopNow, graceMs: settings.shutdownGraceMs, logger });
}

interface Agent {
  readonly server: RunningServer;
  readonly serving: ServingState;
  readonly table: ProcessTable;
  readonly token: AccessToken;
  readonly defaults: AgentDefaults;
}

/** undefined when it could not start and has said why. */
async function start(settings: AgentSettings, logger: Logger): Promise<Agent | undefined> {
  const { addresses, access, limits, commands } = settings;
  const token = new AccessToken();
  token.set(access.token);
  try {
    const { defaultUser: user, defaultWorkdir: workdir, children, cgroup } = commands;
    if (user !== undefined) await checkUser(user);
    const defaults = agentDefaults({ user, workdir });
    const table = new ProcessTable({
      ...settings,
      limits: limits.processes,
      defaults,
      children,
      cgroup,
      logger,
    });
    endOnCrash(logger, () => table.killAll());
    const activity = new ClientActivity(logger);
    const serving = new ServingState();
    const control = createControl({
      table,
      defaults,
      token,
      statistics: activity.statistics,
      requestMs: limits.server.requestMs,
      connections: () => server?.connections ?? 0,
      logger,
    });
    const answer = createRpcAnswer({
      table,
      activity,
      serving,
      limits: limits.server,
      logger,
      fallback: control,
    });
    const server: RunningServer | undefined = await startServer({
      ...access,
      addresses,
      token,
      limits: limits.server,
      answer,
      onRefused: ({ code, message }, request) => activity.refusedRequest(code, message, { ...request }),
      logger,
    });
    return { table, token, defaults, serving, server };
  } catch (error) {
    logger.debug({ err: error }, "could not start");
    printError(describeStartFailure(error, addresses));
    return undefined;
  }
}

function announce({ server, token }: Agent, logger: Logger): void {
  const { url, isExposed } = server;
  // First, and alone on stdout: whoever started the agent waits for this line.
  process.stdout.write(`holdfast listening on ${url}\n`);
  logger.info({ url, pid: process.pid, node: process.version }, "ready");
  if (isExposed && !token.isSet)
    logger.warn({ url }, "no loopback address and no access token: whoever reaches it can run commands here");
}
