// The life of an agent: start, announce the address, serve until a signal, stop. This file owns the
// order. The answers to calls belong to rpc/, the processes to process/.

import {
  CONSOLE_PATH,
  type ConsoleSessions,
  createControl,
  endpointRequirement,
  newConsoleSessions,
} from "../control/index.ts";
import { createFileAccess, type FileAccess, removeAbandonedSpools, Watchers } from "../filesystem/index.ts";
import {
  AccessToken,
  Credentials,
  HIGHEST,
  type NodeRequest,
  pathOf,
  type Requirement,
  type RunningServer,
  startServer,
  TokenFile,
} from "../http/index.ts";
import { returnFreeMemory } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import { type AgentDefaults, agentDefaults, checkUser, ProcessTable } from "../process/index.ts";
import { ClientActivity, createRpcAnswer, rpcRequirement, ServingState } from "../rpc/index.ts";
import { sampled } from "../sampled-logger.ts";
import { type CrashExits, endOnCrash, logWarnings } from "./crash.ts";
import { GenerationWatch } from "./generation-watch.ts";
import { IdlePages } from "./idle-pages.ts";
import { createLogger } from "./log.ts";
import { AGENT_DEFAULTS, type AgentSettings } from "./settings.ts";
import { type ShutdownOutcome, shutDown } from "./shutdown.ts";
import { describeStartFailure } from "./start-failure.ts";
import { listenForStopSignals } from "./stop-signals.ts";

/** `failed`: it could not start; `message` is one line for the person who started it. */
export type AgentOutcome = ShutdownOutcome | { readonly kind: "failed"; readonly message: string };

/** Resolves when the agent has stopped or could not start. The caller then ends the process. */
export async function runAgent(settings: AgentSettings, exits: CrashExits): Promise<AgentOutcome> {
  returnFreeMemory();
  const signals = listenForStopSignals();
  // An error that repeats must not fill a disk, whatever its cause.
  const logger = sampled(await createLogger(settings.log), ["error"]);
  logWarnings(logger);
  for (const name of settings.unknownVariables)
    logger.warn({ name }, `${name} is not a setting: misspelled?`);

  for (const remark of settings.access.tokenRemarks) logger.warn({ remark }, "the access token is unsafe");

  // Resolving a host name can take long and must not delay a signal. Nothing runs yet that has to be stopped.
  const agent = await Promise.race([start(settings, logger, exits), signals.stop]);
  if (typeof agent === "string") return { kind: "stopped" };
  if ("kind" in agent) return agent;
  announce(agent, logger);

  const signal = await signals.stop;
  agent.idlePages.stop();
  agent.tokenFile?.close();
  return shutDown(agent, { signal, stopNow: signals.stopNow, graceMs: settings.shutdownGraceMs, logger });
}

interface Agent {
  readonly server: RunningServer;
  readonly serving: ServingState;
  readonly table: ProcessTable;
  readonly files: FileAccess;
  readonly watchers: Watchers;
  readonly credentials: Credentials;
  readonly tokenFile: TokenFile | undefined;
  readonly sessions: ConsoleSessions | undefined;
  readonly idlePages: IdlePages;
}

async function start(
  settings: AgentSettings,
  logger: Logger,
  exits: CrashExits,
): Promise<Agent | (AgentOutcome & { kind: "failed" })> {
  try {
    return await compose(settings, logger, exits);
  } catch (error) {
    logger.debug({ err: error }, "could not start");
    return { kind: "failed", message: describeStartFailure(error, settings.addresses) };
  }
}

async function compose(settings: AgentSettings, logger: Logger, exits: CrashExits): Promise<Agent> {
  const { addresses, access, limits, commands } = settings;
  const token = new AccessToken();
  token.set(access.token);
  const { tokenFile: found } = access;
  const tokenFile = found && new TokenFile(found.path, found.text, logger);
  const sessions = settings.console && (await newConsoleSessions(logger));
  const credentials = new Credentials(
    token,
    [tokenFile, sessions].filter((source) => source !== undefined),
  );
  const defaults = await checkedDefaults(commands);
  const { children, cgroup } = commands;
  const table = new ProcessTable({
    ...settings,
    limits: limits.processes,
    defaults,
    children,
    cgroup,
    logger,
  });
  endOnCrash(logger, { killAll: () => table.killAll(), exits });
  const files = createFileAccess(settings.files.access);
  void removeAbandonedSpools();
  const activity = new ClientActivity(logger);
  const serving = new ServingState();
  const generations = new GenerationWatch({
    table,
    server: () => server,
    onBegin: () => sessions?.void(),
    logger,
  });
  const control = createControl({
    table,
    defaults,
    credentials,
    statistics: () => activity.statistics,
    requestMs: limits.server.requestMs,
    files,
    transferIdleMs: limits.transferIdleMs,
    envdVersion: settings.envdVersion,
    connections: () => server?.connections ?? 0,
    console: sessions && settings.console && { ...settings.console, sessions },
    version: settings.version,
    onNewLifecycle: (asking) => generations.begin("lifecycleID", asking),
    logger,
  });
  const watchers = new Watchers({
    maxWatchers: settings.files.maxWatchers,
    retainMs: settings.files.retainWatchersMs,
    reserve: (bytes) => table.memoryBudget.reserve(bytes),
  });
  const answer = createRpcAnswer({
    table,
    files,
    watchers,
    defaults,
    activity,
    serving,
    limits: limits.server,
    version: settings.version,
    connections: () => server?.connections ?? 0,
    logger,
    fallback: control,
  });
  const idlePages = new IdlePages({ idleMs: AGENT_DEFAULTS.pageOutIdleMs, logger });
  const watched = generations.watch(answer);
  const server: RunningServer | undefined = await startServer({
    ...access,
    addresses,
    credentials,
    requirementOf,
    servesPages: sessions !== undefined,
    limits: limits.server,
    answer: settings.pageOut ? idlePages.watch(watched) : watched,
    onRefused: ({ code, message }, request) => activity.refusedRequest(code, message, { ...request }),
    logger,
  });
  if (settings.pageOut) idlePages.start();
  tokenFile?.watch();
  return { table, files, watchers, credentials, tokenFile, sessions, serving, server, idlePages };
}

/** Whatever neither table names needs the highest scope. */
function requirementOf(request: NodeRequest): Requirement | "none" | "own" {
  return rpcRequirement(pathOf(request)) ?? endpointRequirement(request) ?? HIGHEST;
}

/** Rejects when the default user does not exist. */
async function checkedDefaults({
  defaultUser: user,
  defaultWorkdir: workdir,
}: AgentSettings["commands"]): Promise<AgentDefaults> {
  if (user !== undefined) await checkUser(user);
  return agentDefaults({ user, workdir });
}

function announce({ server, credentials, sessions }: Agent, logger: Logger): void {
  const { url, isExposed } = server;
  // The first line on stdout: supervisors and scripts wait for it.
  process.stdout.write(`holdfast listening on ${url}\n`);
  if (sessions !== undefined) announceConsole(url, sessions);
  logger.info({ url, pid: process.pid, node: process.version }, "ready");
  if (isExposed && !credentials.areRequired)
    logger.warn(
      { url },
      "the address can be reached from outside this machine and no access token is set: every client that reaches it can run commands",
    );
}

/** A person at a terminal gets a link that works once. Where stdout is recorded, the link has no code in it. */
function announceConsole(url: string, sessions: ConsoleSessions): void {
  if (!url.startsWith("http")) return;
  const code = process.stdout.isTTY
    ? `#code=${sessions.issueCode({ scope: "admin", process: undefined })}`
    : "";
  process.stdout.write(`console at ${url}${CONSOLE_PATH}${code}\n`);
}
