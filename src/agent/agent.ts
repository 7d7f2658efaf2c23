// The life of an agent: start, announce the address, serve until a signal, stop. This file owns the
// order. The answers to calls belong to rpc/, the processes to process/.

import { realClock, startTimer, type Timer } from "../clock.ts";
import {
  CONSOLE_PATH,
  type ConsoleSessions,
  createControl,
  endpointRequirement,
  Initialization,
  newConsoleSessions,
  restoreUpload,
  UploadTable,
} from "../control/index.ts";
import {
  completeUploads,
  createFileAccess,
  type FileAccess,
  removeAbandonedSpools,
  Watchers,
} from "../filesystem/index.ts";
import {
  type AgentState,
  type Inheritance,
  readRehearsedState,
  reportRehearsal,
  Upgrade,
  type UpgradeOptions,
} from "../handover/index.ts";
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
import { returnFreeMemory, unmapCode } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import { type AgentDefaults, agentDefaults, checkUser, ProcessTable } from "../process/index.ts";
import {
  ClientActivity,
  createRpcAnswer,
  idleMemory,
  noteGarbage,
  noteRequest,
  OutputStreams,
  rpcRequirement,
  ServingState,
  WatchStreams,
  waitingMemory,
  watchResidentMemory,
} from "../rpc/index.ts";
import { sampled } from "../sampled-logger.ts";
import { type CrashExits, endOnCrash, logWarnings } from "./crash.ts";
import { GenerationWatch } from "./generation-watch.ts";
import { claimRest, continueAll, type Inherited, saveParts } from "./handing-over.ts";
import { IdlePages } from "./idle-pages.ts";
import { createLogger, logWritten } from "./log.ts";
import { AGENT_DEFAULTS, type AgentSettings } from "./settings.ts";
import { type ShutdownOutcome, shutDown } from "./shutdown.ts";
import { describeStartFailure } from "./start-failure.ts";
import { listenForStopSignals } from "./stop-signals.ts";

/** `failed`: it could not start; `message` is one line for the person who started it. */
export type AgentOutcome = ShutdownOutcome | { readonly kind: "failed"; readonly message: string };

/**
 * Resolves when the agent has stopped or could not start. The caller then ends the process. With `inheritance`, it
 * continues another image of this agent, which continues itself if this one cannot.
 */
export async function runAgent(
  settings: AgentSettings,
  exits: CrashExits,
  inheritance?: Inheritance,
): Promise<AgentOutcome> {
  returnFreeMemory();
  const signals = listenForStopSignals();
  // An error that repeats must not fill a disk.
  const logger = sampled(await createLogger(settings.log), ["error"]);
  logWarnings(logger);
  for (const name of settings.unknownVariables)
    logger.warn({ name }, `${name} is not a setting: misspelled?`);

  for (const remark of settings.access.tokenRemarks) logger.warn({ remark }, "the access token is unsafe");

  const starting = start(settings, logger, exits, inheritance);
  // Resolving a host name can take long and must not delay a signal. Nothing runs yet that has to be stopped. What
  // another image left does run.
  const agent = await (inheritance === undefined ? Promise.race([starting, signals.stop]) : starting);
  if (typeof agent === "string") return { kind: "stopped" };
  if ("kind" in agent) return agent;
  if (inheritance === undefined) announce(agent, logger);

  const signal = await signals.stop;
  agent.upgrade.stop();
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
  readonly upgrade: Upgrade;
}

async function start(
  settings: AgentSettings,
  logger: Logger,
  exits: CrashExits,
  inheritance: Inheritance | undefined,
): Promise<Agent | Exclude<AgentOutcome, { kind: "interrupted" | "stuck" }>> {
  try {
    if (settings.rehearses) return await rehearse(settings, logger);
    if (inheritance?.givenBack !== undefined)
      logger.error({ reason: inheritance.givenBack }, "the next version could not continue: this one does");
    return await compose(settings, logger, exits, inheritance);
  } catch (error) {
    logger.debug({ err: error }, "could not start");
    if (inheritance !== undefined) {
      logger.error({ err: error }, "this version cannot continue: the one before does");
      await logWritten();
      inheritance.giveBack(error);
    }
    return { kind: "failed", message: describeStartFailure(error, settings.addresses) };
  }
}

/** How long a start waits for earlier uploads to be completed. After that, they are completed beside the requests. */
const COMPLETION_MS = 5_000;

async function soon(work: Promise<void>): Promise<void> {
  let timer: Timer | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = startTimer(COMPLETION_MS, resolve);
  });
  await Promise.race([work, limit]);
  timer?.cancel();
}

/** Restores all parts, listens nowhere, and lets nothing happen. */
async function rehearse(settings: AgentSettings, logger: Logger): Promise<{ readonly kind: "stopped" }> {
  const inherited = readRehearsedState();
  const { answer } = await composeParts(settings, logger, inherited);
  const rpcs = await answer.load();
  rpcs.prepare();
  claimRest(inherited);
  reportRehearsal(settings.version);
  return { kind: "stopped" };
}

async function compose(
  settings: AgentSettings,
  logger: Logger,
  exits: CrashExits,
  inheritance: Inheritance | undefined,
): Promise<Agent> {
  const { access, limits } = settings;
  const state = inheritance?.state;
  if (inheritance === undefined) await soon(completeUploads(logger));
  const parts = await composeParts(settings, logger, inheritance, () => ({ server, upgrade }));
  const { table, credentials, sessions, activity, answer, idlePages, streams, generations, watchers } = parts;
  const rpcs = state !== undefined && carriesStreams(state) ? await answer.load() : undefined;
  const upgrade = new Upgrade({
    version: settings.version,
    ...historyOf(inheritance),
    save: () => saveParts({ ...parts, server: () => server }),
    partFromIdle: () => server?.partFromIdle(),
    isSettled: () =>
      server === undefined || (server.requests <= streams.unboundedCalls && !server.hasHalfArrived),
    runningPids: () => table.list().flatMap(({ isRunning, pid }) => (isRunning ? [pid] : [])),
    abandonLaunches: () => table.abandonLaunches(),
    flushLog: logWritten,
    graceMs: settings.shutdownGraceMs,
    logger,
  });
  const watched = generations.watch(answer);
  if (inheritance !== undefined) claimRest(inheritance);
  // With an inheritance, no turn of the event loop passes from here to `continueAll`.
  const server: RunningServer | undefined = await startServer({
    ...access,
    addresses: state?.server.listening.map(({ address }) => address) ?? settings.addresses,
    saved: state?.server,
    credentials,
    requirementOf,
    servesPages: sessions !== undefined,
    limits: limits.server,
    answer: settings.pageOut ? idlePages.watch(watched) : watched,
    onIdleCount: idleMemory(table.memoryBudget),
    hasRoomForStreams: waitingMemory(table.memoryBudget, activity),
    onRequest: noteRequest,
    onGarbage: noteGarbage,
    onRefused: ({ code, message }, request) => activity.refusedRequest(code, message, { ...request }),
    logger,
  });
  if (inheritance !== undefined)
    continueAll(inheritance, { table, server, watchers, credentials, rpcs, logger });
  // Not before: until then the image before continues after a crash.
  endOnCrash(logger, {
    restart: () => {
      table.checkOutput();
      upgrade.restartAfterCrash();
    },
    killAll: () => table.killAll(),
    exits,
  });
  watchResidentMemory({
    budget: table.memoryBudget,
    clock: realClock,
    processCount: () => table.size,
    onShort: (isShort) => server.setMemoryShort(isShort),
  });
  void removeAbandonedSpools();
  if (inheritance !== undefined) void completeUploads(logger);
  process.on("SIGUSR2", () => {
    upgrade.begin().catch((error: unknown) => logger.error({ err: error }, "the upgrade was refused"));
  });
  if (settings.pageOut) idlePages.start();
  // Once it is ready, most of the code has done its work.
  if (settings.pageOut) setImmediate(() => unmapCode());
  parts.tokenFile?.watch();
  return { ...parts, server, upgrade };
}

function carriesStreams({ streams, watchStreams = [] }: AgentState): boolean {
  return streams.length + watchStreams.length > 0;
}

/** The upgrades so far. A state that was given back is of one that did not happen. */
function historyOf(
  inheritance: Inheritance | undefined,
): Pick<UpgradeOptions, "upgrades" | "failure" | "crashedAtMs"> {
  if (inheritance === undefined) return { upgrades: 0 };
  const { state, givenBack } = inheritance;
  const { upgrades, crashedAtMs } = state;
  if (givenBack === undefined) return { upgrades, crashedAtMs };
  return { upgrades: upgrades - 1, failure: { message: givenBack, atMs: Date.now() }, crashedAtMs };
}

interface Running {
  readonly server: RunningServer | undefined;
  readonly upgrade: Upgrade;
}

/** Everything but the server. With `inherited`, nothing happens before `continueAll`. */
async function composeParts(
  settings: AgentSettings,
  logger: Logger,
  inherited: Inherited | undefined,
  running?: () => Running,
) {
  const { access, limits, commands } = settings;
  const saved = inherited?.state;
  const token = new AccessToken();
  token.set(saved === undefined ? access.token : saved.token);
  const { tokenFile: found } = access;
  const tokenFile = found && new TokenFile(found.path, found.text, logger);
  const sessions = settings.console && (await newConsoleSessions(logger, saved?.sessions, saved?.codes));
  const credentials = new Credentials(
    token,
    [tokenFile, sessions].filter((source) => source !== undefined),
  );
  const defaults = saved === undefined ? await checkedDefaults(commands) : agentDefaults(saved.defaults);
  const { children, cgroup } = commands;
  const files = createFileAccess(settings.files.access);
  const table = new ProcessTable({
    ...settings,
    limits: limits.processes,
    defaults,
    children,
    cgroup,
    logger,
    saved: inherited && { state: inherited.state.table, descriptors: inherited.descriptors },
  });
  const activity = new ClientActivity(logger, saved?.clients);
  const serving = new ServingState();
  const server = () => running?.().server;
  const savedVmGeneration = saved?.vmGeneration;
  const onBegin = () => {
    sessions?.void();
    if (access.tls !== undefined) reseedTls(running?.().upgrade, logger);
  };
  const generations = new GenerationWatch({ table, server, onBegin, logger, savedVmGeneration });
  const watchers = new Watchers({
    maxWatchers: settings.files.maxWatchers,
    retainMs: settings.files.retainWatchersMs,
    reserve: (bytes) => table.memoryBudget.reserve(bytes),
    saved: inherited?.state.watches && {
      state: inherited.state.watches,
      descriptors: inherited.descriptors,
      files,
    },
  });
  const onNewLifecycle = (asking: NodeRequest) => generations.begin("lifecycleID", asking);
  const initialization = new Initialization({
    ...{ defaults, credentials, logger, onNewLifecycle },
    saved: saved?.initialization,
  });
  const uploads = new UploadTable();
  if (inherited !== undefined)
    for (const state of inherited.state.uploads ?? [])
      uploads.restore(restoreUpload(state, files, inherited.descriptors), state.remainingMs);
  const control = createControl({
    table,
    uploads,
    defaults,
    credentials,
    statistics: () => activity.statistics,
    requestMs: limits.server.requestMs,
    files,
    watchers,
    transferIdleMs: limits.transferIdleMs,
    envdVersion: settings.envdVersion,
    connections: () => server()?.connections ?? 0,
    console: sessions && settings.console && { ...settings.console, sessions },
    version: settings.version,
    onNewLifecycle,
    initialization,
    ...(running && {
      upgrade: {
        get status() {
          return running().upgrade.status;
        },
        begin: (file) => running().upgrade.begin(file),
      },
    }),
    logger,
  });
  const streams = new OutputStreams();
  const watchStreams = new WatchStreams();
  const answer = createRpcAnswer({
    table,
    files,
    watchers,
    defaults,
    activity,
    serving,
    limits: limits.server,
    version: settings.version,
    streams,
    watchStreams,
    connections: () => server()?.connections ?? 0,
    logger,
    fallback: control,
  });
  const idlePages = new IdlePages({ idleMs: AGENT_DEFAULTS.pageOutIdleMs, logger });
  return {
    ...{
      table,
      files,
      watchers,
      token,
      defaults,
      serving,
      activity,
      streams,
      watchStreams,
      answer,
      idlePages,
    },
    ...{ generations, initialization, uploads, credentials, tokenFile, sessions },
  };
}

/** A request in neither table needs the highest scope. */
function requirementOf(request: NodeRequest): Requirement | "none" | "own" {
  return rpcRequirement(pathOf(request)) ?? endpointRequirement(request) ?? HIGHEST;
}

/** OpenSSL draws from a generator in this program, which clones of the machine share, and which only a new image has anew. */
function reseedTls(upgrade: Upgrade | undefined, logger: Logger): void {
  logger.info({}, "TLS needs new random numbers after a restore: this version is executed again");
  upgrade?.begin().catch((error: unknown) => logger.error({ err: error }, "the upgrade was refused"));
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
