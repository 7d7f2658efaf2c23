// All processes of this agent: finds them by pid, tag or process_id, counts and logs them, retains
// those that ended, and stops them. How a child is started is the business of start/.

import { setMaxListeners } from "node:events";
import { constants } from "node:os";
import { startTimer } from "../../clock.ts";
import {
  adoptOrphans,
  type ChildProperties,
  type InheritedDescriptors,
  InheritedProperties,
  keepCapabilities,
  kernelRandomUuid,
  prepareCachedFiles,
  prepareLaunches,
  setCloseOnExecEverywhere,
} from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";
import { MemoryBudget } from "../../multiplexer/index.ts";
import { PROCESS_DEFAULTS } from "../defaults.ts";
import type { ProcessEnd } from "../end-status.ts";
import { Generation } from "../generation.ts";
import { discardFrom, restoreStdio } from "../io/attached-stdio.ts";
import { discardedSources, type SourceDescriptors } from "../io/output-reader.ts";
import { Process, type ProcessSettings } from "../process.ts";
import { startReaping, type WatchedChild, watchInherited } from "../reaper.ts";
import { type AgentDefaults, agentDefaults } from "../start/agent-defaults.ts";
import { Cgroups } from "../start/cgroups.ts";
import { type HeldRequest, holdInherited, holdRequest } from "../start/held-request.ts";
import {
  checkProcessCount,
  checkRequestSize,
  checkRetention,
  type ProcessLimits,
} from "../start/process-limits.ts";
import { type StartContext, type StartedChild, shuttingDown, startChild } from "../start/start.ts";
import { checkStartRequest, type OutputPolicy, type StartRequest } from "../start/start-request.ts";
import { ownProcessUser } from "../start/user.ts";
import type { ProcessState, TableState } from "../table-state.ts";
import { ChangeOrder } from "./change-order.ts";
import { EndedProcesses } from "./ended-processes.ts";
import { ForgottenProcesses } from "./forgotten-processes.ts";
import { identityOf, ProcessLog } from "./process-log.ts";
import { findAmong, type ProcessSelector } from "./process-selector.ts";
import { SilentChanges } from "./silent-changes.ts";
import { StartIds } from "./start-ids.ts";
import {
  addProcess,
  createStatistics,
  type ProcessStatistics,
  restoreStatistics,
  saveStatistics,
} from "./statistics.ts";

export interface ProcessTableOptions
  extends Partial<Omit<ProcessSettings, "budget" | "output" | "statistics">> {
  readonly logger: Logger;
  /** For everything that is held for clients (rule 14). */
  readonly memoryBudgetBytes?: number;
  readonly output?: Partial<OutputPolicy>;
  /** How long ended processes can still be found (rule 12). */
  readonly retainEndedMs?: number;
  /** How long the look-up of cwd and command may take before a start fails (rule 15). */
  readonly startTimeoutMs?: number;
  /** The limits on what clients may ask for. */
  readonly limits?: Partial<ProcessLimits>;
  /** The properties that children get instead of the agent's own. */
  readonly children?: ChildProperties;
  /** Whether commands and their arguments are also logged. */
  readonly logCommands?: boolean;
  /** A cgroup (version 2) below which commands run. */
  readonly cgroup?: string | undefined;
  /** Read at each start: its owner may change it while the agent runs. */
  readonly defaults?: AgentDefaults;
  /** The state from another image of this agent. Nothing is read, written or reaped before `goOn`. */
  readonly saved?: { readonly state: TableState; readonly descriptors: InheritedDescriptors } | undefined;
}

const { SIGCONT, SIGHUP, SIGKILL, SIGTERM } = constants.signals;

export class ProcessTable {
  /**
   * Oldest first. Not by pid: one that is reaped and still draining may have left its pid to a
   * newer one.
   */
  readonly #processes = new Set<Process>();
  readonly #ended: EndedProcesses;
  readonly #forgotten = new ForgottenProcesses();
  readonly generation: Generation;
  readonly #changes = new ChangeOrder<Process>();
  readonly #silentChanges = new SilentChanges(this.#processes);
  readonly #startIds = new StartIds();
  readonly #memoryBudgetBytes: number;
  readonly #settings: ProcessSettings;
  readonly #limits: ProcessLimits;
  readonly #startContext: StartContext;
  readonly #cgroups: Cgroups | undefined;
  readonly #logger: Logger;
  readonly #log: ProcessLog;
  readonly #stop = new AbortController();
  #lastPosition = 0;
  /** Children that have not executed their command yet, or never will: those that hang stay here. */
  readonly #launching = new Set<WatchedChild>();
  /** Starts that are admitted, until they have a process or have failed. */
  #startingCount = 0;
  /** Each is called once, when the last process has ended. */
  #onEmpty: (() => void)[] = [];
  /** Until `goOn`. */
  #lingering: Process[] = [];
  #discarded: SourceDescriptors[] = [];

  /**
   * Makes this agent the reaper of everything that runs below it. One table per program: see
   * reaper.ts. Throws `failed_precondition` for a cgroup that cannot be used.
   */
  constructor(options: ProcessTableOptions) {
    setCloseOnExecEverywhere();
    this.#memoryBudgetBytes = options.memoryBudgetBytes ?? PROCESS_DEFAULTS.memoryBudgetBytes;
    this.#settings = {
      drainTimeoutMs: options.drainTimeoutMs ?? PROCESS_DEFAULTS.drainTimeoutMs,
      windowBytes: options.windowBytes ?? PROCESS_DEFAULTS.windowBytes,
      stallMs: options.stallMs ?? PROCESS_DEFAULTS.stallMs,
      budget: new MemoryBudget(this.#memoryBudgetBytes),
      output: { ...PROCESS_DEFAULTS.output, ...options.output },
      statistics:
        options.saved === undefined ? createStatistics() : restoreStatistics(options.saved.state.statistics),
      changes: this.#changes,
      onBlocked: (process) => this.#log.blocked(process),
    };
    this.#ended = new EndedProcesses(
      {
        retainMs: options.retainEndedMs ?? PROCESS_DEFAULTS.retainEndedMs,
        maxProcesses: options.limits?.maxRetainedProcesses ?? PROCESS_DEFAULTS.limits.maxRetainedProcesses,
      },
      (forgotten) => {
        const { process } = forgotten;
        this.#changes.remove(process.mark);
        process.releaseRequest();
        this.#forgotten.add(forgotten);
        const { startId } = process.request;
        if (startId !== undefined) this.#startIds.forget(startId);
      },
    );
    this.generation = new Generation(
      () => [...this.#processes, ...this.#ended.list()],
      options.saved?.state.generation,
    );
    this.#limits = { ...PROCESS_DEFAULTS.limits, ...options.limits };
    this.#logger = options.logger;
    this.#log = new ProcessLog(options.logger, options.logCommands ?? false);
    this.#cgroups = options.cgroup === undefined ? undefined : new Cgroups(options.cgroup);
    this.#startContext = {
      defaults: options.defaults ?? agentDefaults(),
      ownUser: ownProcessUser(),
      inherited: new InheritedProperties(options.children ?? {}, (message) =>
        options.logger.warn({}, message),
      ),
      ownUmask: process.umask(),
      cgroups: this.#cgroups,
      startTimeoutMs: options.startTimeoutMs ?? PROCESS_DEFAULTS.startTimeoutMs,
      stop: this.#stop.signal,
    };
    setMaxListeners(0, this.#stop.signal);
    prepareLaunches();
    prepareCachedFiles();
    keepCapabilities();
    if (!adoptOrphans())
      options.logger.warn(
        {},
        "orphans are not adopted: the kernel does not support it; process 1 must reap them",
      );
    if (options.saved === undefined) startReaping();
    else this.#restore(options.saved.state, options.saved.descriptors);
  }

  /**
   * Everything as plain data, and changes nothing. Its buffers are to be copied before anything else happens.
   * `streaming` are the processes whose streams are carried: some may be retained no longer.
   */
  save(streaming: Iterable<Process>): TableState {
    const ended = this.#ended.save();
    const known = new Set([...this.#processes, ...ended.map(({ process }) => process)]);
    const lingering = [...new Set(streaming)].filter((process) => !known.has(process));
    return {
      live: this.list().map((process) => process.save()),
      ended: ended.map(({ process, ...rest }) => ({ process: process.save(), ...rest })),
      lingering: lingering.map((process) => process.save()),
      forgotten: this.#forgotten.save(),
      startIds: this.#startIds.save(),
      generation: this.generation.save(),
      discarded: discardedSources(),
      statistics: saveStatistics(this.#settings.statistics),
      lastPosition: this.#lastPosition,
    };
  }

  /** The process of a carried stream; only before `goOn`. */
  findCarried(processId: string): Process | undefined {
    const all = [...this.#processes, ...this.#ended.list(), ...this.#lingering];
    return all.find((process) => process.processId === processId);
  }

  /** Of a restored one, once carried streams are attached. */
  goOn(): void {
    for (const process of [...this.#processes, ...this.#ended.list(), ...this.#lingering]) process.goOn();
    this.#lingering = [];
    for (const source of this.#discarded.splice(0)) discardFrom(source);
    this.#ended.goOn();
    // Some may have ended while no image of the agent ran: they are zombies until now.
    startReaping();
  }

  /** Ends the starts that are under way: the next image of this agent cannot continue them. */
  abandonLaunches(): void {
    for (const child of this.#launching) child.kill();
  }

  #restore(
    { live, ended, lingering, forgotten, startIds, generation, discarded, lastPosition = 0 }: TableState,
    descriptors: InheritedDescriptors,
  ): void {
    this.#lastPosition = lastPosition;
    for (const state of live) this.#list(this.#restoreProcess(state, descriptors));
    for (const { process: state, retainMs, untilMs } of ended) {
      const process = this.#restoreProcess(state, descriptors);
      this.#ended.restore(process, retainMs, untilMs);
      this.#changes.add(process.mark);
    }
    this.#lingering = lingering.map((state) => this.#restoreProcess(state, descriptors));
    this.#forgotten.restore(forgotten);
    for (const saved of startIds) {
      const process = this.findCarried(saved.processId);
      if (process !== undefined) this.#startIds.restore(saved, process);
    }
    this.generation.restoreEnds(generation);
    this.#discarded = discarded.map(({ fd, copy }) => ({
      fd: descriptors.claim(fd, "read"),
      copy: copy === undefined ? undefined : descriptors.claim(copy, "read"),
    }));
  }

  #restoreProcess(state: ProcessState, descriptors: InheritedDescriptors): Process {
    const { pid, processId, request, user, phase } = state;
    const isReaped = phase.kind !== "running";
    const child = watchInherited(pid, isReaped ? 0 : state.waitStatus);
    const process = new Process(
      {
        ...{ child, processId, user, position: state.position ?? ++this.#lastPosition },
        held: holdInherited(request, this.#settings.budget),
        stdio: {
          attach: (name, budget, sinkOf) =>
            restoreStdio(state.stdio, state.input, descriptors, { name, budget, sinkOf }),
        },
      },
      this.#settings,
      (ended, end) => this.#retain(ended, end),
      state,
    );
    if (!isReaped) child.onReaped((waitStatus) => process.onReaped(waitStatus));
    return process;
  }

  /**
   * Starts a process and returns it before any of its output is read. After a HoldfastError nothing
   * was started and nothing stays open. A `startId` that was used before returns its process, live
   * or ended.
   */
  async start(request: StartRequest): Promise<Process> {
    checkStartRequest(request, this.#memoryBudgetBytes);
    checkRetention(request, this.#limits);
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
    checkRequestSize(request, this.#limits);
    const held = holdRequest(request, this.#settings.budget);
    try {
      return await this.#startHeld(held);
    } catch (error) {
      held.release();
      throw error;
    }
  }

  async #startHeld(held: HeldRequest): Promise<Process> {
    let isAdmitted = false;
    const admit = () => {
      this.#admit();
      isAdmitted = true;
      this.#startingCount++;
    };
    try {
      const started = await startChild(held.request, this.#startContext, admit, (child) =>
        this.#launching.add(child),
      );
      // In one turn: the limit must count it as one of the two at any time.
      return this.#addStarted(started, held);
    } finally {
      if (isAdmitted) this.#startingCount--;
      this.#forgetReaped();
    }
  }

  #addStarted(started: StartedChild, held: HeldRequest): Process {
    const { child, stdio } = started;
    this.#launching.delete(child);
    try {
      const process = new Process(
        { ...started, processId: kernelRandomUuid(), position: ++this.#lastPosition, held },
        this.#settings,
        (ended, end) => this.#retain(ended, end),
      );
      this.#list(process);
      this.#log.started(process);
      child.onReaped((waitStatus) => process.onReaped(waitStatus));
      return process;
    } catch (error) {
      // Nothing would ever end it: neither its output nor its exit has a reader.
      child.kill();
      stdio.abandon();
      throw error;
    }
  }

  #list(process: Process): void {
    this.#processes.add(process);
    this.#changes.add(process.mark);
  }

  #admit(): void {
    if (this.#stop.signal.aborted) throw shuttingDown();
    // Two limits, so that children which hang after their start has failed do not take the place of processes.
    const count = Math.max(this.#processes.size + this.#startingCount, this.#launching.size);
    checkProcessCount(count, this.#limits);
  }

  #forgetReaped(): void {
    for (const child of this.#launching) if (child.isReaped) this.#launching.delete(child);
  }

  /** Of all processes since the agent started, including those that run. A copy. */
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

  /** Of everything that is held for clients. */
  get memoryBudget(): Omit<MemoryBudget, "reserveSmallInput"> {
    return this.#settings.budget;
  }

  /** How long a subscriber may make others wait without progress (rule 11). */
  get stallMs(): number {
    return this.#settings.stallMs;
  }

  /** The highest Process.position so far. */
  get lastPosition(): number {
    return this.#lastPosition;
  }

  /** The number of the live and the retained ones. */
  get size(): number {
    return this.#processes.size + this.#ended.size;
  }

  /** Live ones, oldest first. */
  list(): Process[] {
    return [...this.#processes];
  }

  /** Throws if the output of a process breaks a rule of its multiplexer: after a crash, such a state must not continue. */
  checkOutput(): void {
    for (const { output } of [...this.list(), ...this.listEnded()]) output.checkInvariants();
  }

  /** The live and the retained ones, in the order of their last changes, which include those that no event reports. */
  detectChanges(): ChangeOrder<Process> {
    this.#silentChanges.detect(performance.now(), () => [...this.#processes, ...this.#ended.list()]);
    return this.#changes;
  }

  /** Ended ones that are still retained, in the order they ended. */
  listEnded(): Process[] {
    return this.#ended.list();
  }

  /** A live process. Throws `not_found`. */
  find(selector: ProcessSelector): Process {
    return findAmong(this.list(), selector);
  }

  /** How many other live processes have the tag of `process`. */
  countSameTag({ processId, request: { tag } }: Process): number {
    if (tag === undefined) return 0;
    let count = 0;
    for (const other of this.#processes)
      if (other.request.tag === tag && other.processId !== processId) count++;
    return count;
  }

  /** A client has received the end event of `process`. */
  endDelivered(process: Process): void {
    this.#ended.delivered(process);
  }

  /**
   * A live process, otherwise the last retained one to end (rule 12). Throws `not_found`, with the
   * reason if the process was there and is forgotten.
   */
  findRetained(selector: ProcessSelector): Process {
    return findAmong([...this.listEnded(), ...this.list()], selector, (missing) =>
      this.#forgotten.whyGone(missing),
    );
  }

  /**
   * Starts nothing more, sends SIGHUP to every process on a terminal and SIGTERM to every process,
   * each with its group, kills those left after `graceMs`, and resolves when all have ended. Each
   * killed process is logged.
   */
  async shutdown(graceMs: number): Promise<{ readonly ended: number; readonly killed: number }> {
    this.#stop.abort();
    const all = this.#processes.size;
    let killed = 0;
    const grace = startTimer(graceMs, () => {
      killed = this.killAll();
    });
    // An interactive shell ignores SIGTERM. A terminal that is closed sends SIGHUP.
    this.#signalAll(SIGHUP, ({ request }) => request.stdio.kind === "pty");
    // A stopped process acts on a signal only when it is continued.
    this.#signalAll(SIGTERM);
    this.#signalAll(SIGCONT);
    await this.#empty();
    grace.cancel();
    this.#ended.clear();
    this.#cgroups?.remove();
    return { ended: all - killed, killed };
  }

  /**
   * Sends SIGKILL to every running process and its group, logs each, and returns how many. From now on output that clients
   * have yet to make room for delays no end.
   */
  killAll(): number {
    const running = this.list().filter(({ isRunning }) => isRunning);
    this.#signalAll(SIGKILL);
    for (const process of this.list()) process.abandonOutput();
    for (const process of running) this.#logger.warn(identityOf(process), "process killed: the agent ends");
    return running.length;
  }

  #retain(process: Process, end: ProcessEnd): void {
    this.#processes.delete(process);
    addProcess(this.#settings.statistics, process);
    this.#log.ended(process, end);
    this.#ended.add(process, end);
    if (this.#processes.size > 0) return;
    for (const onEmpty of this.#onEmpty.splice(0)) onEmpty();
  }

  #empty(): Promise<void> {
    if (this.#processes.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  #signalAll(signal: number, applies: (process: Process) => boolean = () => true): void {
    for (const process of this.#processes) {
      if (!process.isRunning || !applies(process)) continue;
      try {
        process.signalGroup(signal);
      } catch (error) {
        this.#logger.warn({ err: error, pid: process.pid }, "cannot signal a process");
      }
    }
  }
}
