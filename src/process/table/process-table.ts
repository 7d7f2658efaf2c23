// All processes of this agent: starts them, finds them by pid, tag or process_id, stops them, and retains those that ended.

import { randomUUID } from "node:crypto";
import { startTimer } from "../../clock.ts";
import { HoldfastError } from "../../errors.ts";
import {
  adoptOrphans,
  type ChildProperties,
  InheritedProperties,
  keepCapabilities,
  type Pid,
  type SpawnRequest,
  setCloseOnExecEverywhere,
  spawn,
} from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";
import { MemoryBudget } from "../../multiplexer/index.ts";
import type { ProcessEnd } from "../end-status.ts";
import { openPipes, openTerminal, type Stdio } from "../io/stdio.ts";
import { Process, type ProcessSettings } from "../process.ts";
import { startReaping, watch } from "../reaper.ts";
import { type AgentDefaults, agentDefaults } from "../start/agent-defaults.ts";
import { Cgroups } from "../start/cgroups.ts";
import { lookupCommand } from "../start/command-lookup.ts";
import { processEnvironment } from "../start/environment.ts";
import { checkLimits, DEFAULT_PROCESS_LIMITS, type ProcessLimits } from "../start/process-limits.ts";
import { checkStartRequest, type OutputPolicy, type StartRequest } from "../start/start-request.ts";
import { asUser, lookupUser, ownUser, type User } from "../start/user.ts";
import { resolveCwd } from "../start/working-directory.ts";
import { EndedProcesses } from "./ended-processes.ts";
import { identityOf, ProcessLog } from "./process-log.ts";
import { StartIds } from "./start-ids.ts";
import { addProcess, createStatistics, type ProcessStatistics } from "./statistics.ts";

export interface ProcessTableOptions
  extends Partial<Omit<ProcessSettings, "budget" | "output" | "statistics">> {
  readonly logger: Logger;
  /** For all windows together (rule 9). */
  readonly memoryBudgetBytes?: number;
  readonly output?: Partial<OutputPolicy>;
  /** How long ended processes can still be found (rule 12). */
  readonly retainEndedMs?: number;
  /** What clients may ask for at most. */
  readonly limits?: Partial<ProcessLimits>;
  /** What children inherit from the agent otherwise than it has it. */
  readonly children?: ChildProperties;
  /** Whether commands and their arguments are logged, too. */
  readonly logCommands?: boolean;
  /** A cgroup (version 2) below which they are put. */
  readonly cgroup?: string | undefined;
  /** Read at each start: whoever holds it may change it. */
  readonly defaults?: AgentDefaults;
}

/** Which process a client means. A tag names the newest live process that carries it. */
export type ProcessSelector =
  | { readonly kind: "pid"; readonly pid: number }
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "process_id"; readonly processId: string };

export const DEFAULTS = {
  drainTimeoutMs: 200,
  windowBytes: 256 * 1024,
  stallMs: 10_000,
  memoryBudgetBytes: 64 * 1024 * 1024,
  retainEndedMs: 60_000,
  output: { detached: "block", detachedBufferBytes: 4 * 1024 * 1024, replayBytes: 1024 * 1024 },
} as const;

const MAX_RETAINED_PROCESSES = 256;

const SIGKILL = 9;
const SIGTERM = 15;
const SIGCONT = 18;

export class ProcessTable {
  /** Oldest first. Not by pid: one that is reaped and still draining may have left its pid to a newer one. */
  readonly #processes = new Set<Process>();
  readonly #ended: EndedProcesses;
  readonly #startIds = new StartIds();
  readonly #memoryBudgetBytes: number;
  readonly #settings: ProcessSettings;
  readonly #limits: ProcessLimits;
  readonly #defaults: AgentDefaults;
  readonly #inherited: InheritedProperties;
  readonly #cgroups: Cgroups | undefined;
  readonly #logger: Logger;
  readonly #log: ProcessLog;
  readonly #ownUser: User = ownUser();
  #stopping = false;
  /** Called, and forgotten, when the last process has ended. */
  #onEmpty: (() => void)[] = [];

  /**
   * Makes this agent the reaper of all that runs below it. One table per program: see reaper.ts. Throws `failed_precondition`
   * for a cgroup that cannot be used.
   */
  constructor(options: ProcessTableOptions) {
    setCloseOnExecEverywhere();
    this.#memoryBudgetBytes = options.memoryBudgetBytes ?? DEFAULTS.memoryBudgetBytes;
    this.#settings = {
      drainTimeoutMs: options.drainTimeoutMs ?? DEFAULTS.drainTimeoutMs,
      windowBytes: options.windowBytes ?? DEFAULTS.windowBytes,
      stallMs: options.stallMs ?? DEFAULTS.stallMs,
      budget: new MemoryBudget(this.#memoryBudgetBytes),
      output: { ...DEFAULTS.output, ...options.output },
      statistics: createStatistics(),
    };
    this.#ended = new EndedProcesses(
      {
        retainMs: options.retainEndedMs ?? DEFAULTS.retainEndedMs,
        maxProcesses: MAX_RETAINED_PROCESSES,
        // Live processes must not starve for the sake of ended ones.
        maxBytes: this.#memoryBudgetBytes / 2,
      },
      ({ request }) => {
        if (request.startId !== undefined) this.#startIds.forget(request.startId);
      },
    );
    this.#limits = { ...DEFAULT_PROCESS_LIMITS, ...options.limits };
    this.#defaults = options.defaults ?? agentDefaults();
    this.#logger = options.logger;
    this.#log = new ProcessLog(options.logger, options.logCommands ?? false);
    this.#inherited = new InheritedProperties(options.children ?? {}, (what) =>
      options.logger.warn({}, what),
    );
    this.#cgroups = options.cgroup === undefined ? undefined : new Cgroups(options.cgroup);
    keepCapabilities();
    adoptOrphans();
    startReaping();
  }

  /**
   * Starts a process and returns it before any of its output is read. Throws a HoldfastError for what DESIGN.md
   * lists, and then has started nothing and left nothing open. With a `startId` that was used before, returns that
   * process, live or ended.
   */
  async start(request: StartRequest): Promise<Process> {
    checkStartRequest(request, this.#memoryBudgetBytes);
    if (request.startId === undefined) return this.#counted(request);
    return this.#startIds.once(request.startId, request, () => this.#counted(request));
  }

  async #counted(request: StartRequest): Promise<Process> {
    const { statistics } = this.#settings;
    const begunAt = performance.now();
    try {
      const started = await this.#start(request);
      statistics.started++;
      statistics.startLatencies.observe(performance.now() - begunAt);
      return started;
    } catch (error) {
      statistics.refused++;
      throw error;
    }
  }

  async #start(request: StartRequest): Promise<Process> {
    const name = request.user ?? this.#defaults.user;
    const user = name === undefined ? this.#ownUser : await lookupUser(name);
    // No await from here on: between the check and the start nobody may begin to stop the table.
    if (this.#stopping)
      throw new HoldfastError("unavailable", "the agent is shutting down: it starts nothing more");
    checkLimits(request, this.#processes.size, this.#limits);
    const command = this.#prepare(request, user);
    const stdio = openStdio(request, user);
    const pid = this.#spawnOn(stdio, command);
    const started = { pid, processId: randomUUID(), request, user: user.name, stdio };
    const child = new Process(started, this.#settings, (ended, end) => this.#forget(ended, end));
    this.#processes.add(child);
    this.#log.started(child);
    watch(pid, (waitStatus) => child.onReaped(waitStatus));
    return child;
  }

  /** Of all processes since the agent started, those that run included. A copy. */
  statistics(): ProcessStatistics {
    const { statistics } = this.#settings;
    const sum = {
      ...statistics,
      outputBytes: { ...statistics.outputBytes },
      inputBytes: { ...statistics.inputBytes },
    };
    for (const process of this.#processes) addProcess(sum, process);
    return sum;
  }

  /** Of all windows together. */
  get memoryBudget(): Pick<MemoryBudget, "bytes" | "heldBytes" | "isSpent"> {
    return this.#settings.budget;
  }

  /** How long a subscriber may hold up others (rule 7). */
  get stallMs(): number {
    return this.#settings.stallMs;
  }

  /** Live ones, oldest first. */
  list(): Process[] {
    return [...this.#processes];
  }

  /** Ended ones that are still retained, in the order they ended. */
  listEnded(): Process[] {
    return this.#ended.list();
  }

  /** A live process. Throws `not_found`. */
  find(selector: ProcessSelector): Process {
    const found = findAmong(this.list(), selector);
    if (found !== undefined) return found;
    throw notFound(selector);
  }

  /** A live process, or else the last one to end that is still retained. Throws `not_found`. */
  findRetained(selector: ProcessSelector): Process {
    const all = [...this.listEnded(), ...this.list()];
    const found = findAmong(all, selector);
    if (found !== undefined) return found;
    throw notFound(selector);
  }

  /**
   * Starts nothing more, asks every process (and its group) to end, kills what is left after `graceMs`, and resolves
   * when all have ended, with the number it had to kill, each of which it logs.
   */
  async shutdown(graceMs: number): Promise<{ readonly ended: number; readonly killed: number }> {
    this.#stopping = true;
    const all = this.#processes.size;
    let killed = 0;
    const grace = startTimer(graceMs, () => {
      killed = this.killAll();
    });
    // A stopped process acts on SIGTERM only when it is continued.
    this.#signalAll(SIGTERM);
    this.#signalAll(SIGCONT);
    await this.#empty();
    grace.cancel();
    this.#ended.clear();
    this.#cgroups?.remove();
    return { ended: all - killed, killed };
  }

  /** SIGKILL to every process that runs and to its group, at once, and a line of log for each. Returns how many. */
  killAll(): number {
    const running = this.list().filter(({ isRunning }) => isRunning);
    this.#signalAll(SIGKILL);
    for (const process of running) this.#logger.warn(identityOf(process), "process killed: the agent ends");
    return running.length;
  }

  /** All that can be refused is refused here, before anything is opened. */
  #prepare(request: StartRequest, user: User): Omit<SpawnRequest, "stdio"> {
    const onPty = request.stdio.kind === "pty";
    const environment = processEnvironment(user, onPty, this.#defaults.environment, request.environment);
    const cwd = resolveCwd(request.cwd || this.#defaults.workdir, user.home);
    const file = lookupCommand(request.cmd, environment["PATH"], cwd);
    const asThem = asUser(user, file, [request.cmd, ...request.args]);
    const command = this.#cgroups?.inside(onPty ? "pty" : "user", asThem) ?? asThem;
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return { ...command, environment: variables, cwd };
  }

  #spawnOn(stdio: Stdio, command: Omit<SpawnRequest, "stdio">): Pid {
    try {
      return spawn({ ...command, stdio: stdio.child }, this.#inherited);
    } catch (error) {
      stdio.abandon();
      throw error;
    }
  }

  #forget(process: Process, end: ProcessEnd): void {
    this.#processes.delete(process);
    addProcess(this.#settings.statistics, process);
    this.#log.ended(process, end);
    this.#ended.add(process);
    if (this.#processes.size > 0) return;
    for (const onEmpty of this.#onEmpty.splice(0)) onEmpty();
  }

  #empty(): Promise<void> {
    if (this.#processes.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  #signalAll(signal: number): void {
    for (const process of this.#processes) {
      if (!process.isRunning) continue;
      try {
        process.signalGroup(signal);
      } catch (error) {
        this.#logger.warn({ err: error, pid: process.pid }, "cannot signal a process");
      }
    }
  }
}

function findAmong(processes: readonly Process[], selector: ProcessSelector): Process | undefined {
  return processes.findLast(({ pid, processId, request }) => {
    if (selector.kind === "pid") return pid === selector.pid;
    return selector.kind === "tag" ? request.tag === selector.tag : processId === selector.processId;
  });
}

function notFound(selector: ProcessSelector): HoldfastError {
  const { kind, ...value } = selector;
  return new HoldfastError("not_found", `no process with ${kind} ${JSON.stringify(Object.values(value)[0])}`);
}

function openStdio(request: StartRequest, user: User): Stdio {
  return request.stdio.kind === "pty"
    ? openTerminal(request.stdio.size, user.uid, user.gid)
    : openPipes(request.stdio.stdin);
}
