// Becoming the next version: tries it in another process (rehearsal.ts), waits for a moment in
// which few answers are incomplete, and then, in one turn of the event loop, writes the state and
// executes it. Until the exec everything is as it was, so a failure before it changes nothing.
//
// Why one turn: libuv reads directly into the windows, so between turns no output is anywhere but
// there or in the kernel; and of a write that the kernel accepted, the callback has run by the next
// turn.

import { closeSync } from "node:fs";
import { realClock, startTimer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import { lastingNowMs } from "../lasting-time.ts";
import { becomeImage, endByStopSignals, type Fd, openOwnExecutable, type Pid } from "../linux/index.ts";
import type { Logger } from "../logger.ts";
import { dismissGuard, startGuard } from "../process/index.ts";
import { messageOf } from "../text.ts";
import {
  type AgentState,
  FORMAT,
  partDescriptors,
  type SavedParts,
  type UpgradeFailure,
} from "./agent-state.ts";
import {
  checkSameFile,
  type FileMark,
  imageOf,
  isSingleExecutable,
  markOf,
  ownProgram,
  type Program,
  programOf,
} from "./images.ts";
import { rehearse } from "./rehearsal.ts";
import { writeState } from "./state-file.ts";

export interface UpgradeStatus {
  readonly version: string;
  readonly upgrades: number;
  readonly isUnderWay: boolean;
  /** Of the last upgrade that did not happen, since the last one that did. */
  readonly failure?: UpgradeFailure | undefined;
}

export interface UpgradeOptions {
  readonly version: string;
  /** The state from the image before. */
  readonly upgrades: number;
  readonly failure?: UpgradeFailure | undefined;
  /** When a crash last executed this agent again, as a lasting time. */
  readonly crashedAtMs?: number | undefined;
  /** All parts, as they are now. Changes nothing. */
  readonly save: () => SavedParts;
  /** Disconnects the clients that cannot be carried and have no open request. */
  readonly partFromIdle: () => void;
  /** Whether no answer is incomplete now. */
  readonly isSettled: () => boolean;
  /** The processes that must not continue if the agent dies on the way. */
  readonly runningPids: () => readonly Pid[];
  /** Ends the starts that are under way. Called directly before the exec. */
  readonly abandonLaunches: () => void;
  /** Resolves when the log is written, or after a short while. */
  readonly flushLog: () => Promise<void>;
  /** How long these may take to end then. */
  readonly graceMs: number;
  readonly logger: Logger;
}

/** A program, and its file as it was then. */
interface Tried {
  readonly program: Program;
  readonly mark: FileMark;
}

/** The answer to the request for the upgrade must be sent before. */
const ANSWER_MS = 20;
/** How long to wait for a moment in which no answer is incomplete. 250 ms seemed too short on a busy machine: a call was cut. */
const LULL_MS = 1000;
const LOOK_MS = 1;
/** Two crashes within this time have the same cause: executing the agent again does not help. */
const CRASH_AGAIN_MS = 60_000;

export class Upgrade {
  readonly #options: UpgradeOptions;
  readonly #stop = new AbortController();
  #failure: UpgradeFailure | undefined;
  #isUnderWay = false;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#failure = options.failure;
  }

  get status(): UpgradeStatus {
    const { version, upgrades } = this.#options;
    return { version, upgrades, isUnderWay: this.#isUnderWay, failure: this.#failure };
  }

  /** The agent stops and no longer upgrades. */
  stop(): void {
    this.#stop.abort();
  }

  /**
   * `file` is an executable or script; default: the file that this agent was started from. Resolves when it was tried
   * and will be executed soon. Rejects with the reason if it will not: then nothing has changed.
   */
  async begin(file?: string): Promise<void> {
    if (this.#stop.signal.aborted)
      throw new HoldfastError("failed_precondition", "the agent is shutting down and does not upgrade");
    if (this.#isUnderWay)
      throw new HoldfastError("failed_precondition", "an upgrade is under way; wait for its end");
    this.#isUnderWay = true;
    this.#failure = undefined;
    const begunAtMs = performance.now();
    try {
      const program = file === undefined ? ownProgram() : programOf(file);
      const mark = markOf(program);
      const { version } = await rehearse(program, this.#stateNow(undefined), this.#stop.signal);
      const ms = Math.round(performance.now() - begunAtMs);
      this.#options.logger.info({ path: program.argv[0], next: version, ms }, "the next version was tried");
      startTimer(ANSWER_MS, () => void this.#becomeSoon({ program, mark }));
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /**
   * After a bug: executes this version again with everything it has. Returns only if it must not, because it crashed a
   * short while ago or stops, or if it cannot. Nothing is tried before: the loop may not turn again.
   */
  restartAfterCrash(): void {
    const { crashedAtMs } = this.#options;
    const nowMs = lastingNowMs();
    if (this.#stop.signal.aborted) return;
    if (crashedAtMs !== undefined && nowMs - crashedAtMs < CRASH_AGAIN_MS) return;
    const guard = startGuard(this.#options.runningPids(), this.#options.graceMs);
    const restoreSignals = endByStopSignals();
    const program = ownProgram();
    this.#become({ program, mark: markOf(program) }, guard, nowMs);
    restoreSignals();
    if (guard !== undefined) dismissGuard(guard);
  }

  async #becomeSoon(tried: Tried): Promise<void> {
    const { partFromIdle, isSettled, flushLog } = this.#options;
    partFromIdle();
    const untilMs = realClock.nowMs() + LULL_MS;
    await flushLog();
    const isTime = () => isSettled() || realClock.nowMs() >= untilMs;
    this.#when(isTime, () => this.#prepare(tried, isTime));
  }

  /** Looks in the turns to come; calls `then` in the turn in which `isTime`, unless the agent stops before. */
  #when(isTime: () => boolean, then: () => void): void {
    setImmediate(() => {
      if (this.#stop.signal.aborted || isTime()) then();
      else startTimer(LOOK_MS, () => this.#when(isTime, then));
    });
  }

  /** One turn before the exec: signals that libuv has received and not passed on still arrive. */
  #prepare(tried: Tried, isTime: () => boolean): void {
    const guard = startGuard(this.#options.runningPids(), this.#options.graceMs);
    const restoreSignals = endByStopSignals();
    // Requests may have arrived in this turn.
    this.#when(isTime, () => {
      if (this.#stop.signal.aborted) this.#fail(new Error("the agent is shutting down"));
      else this.#become(tried, guard);
      restoreSignals();
      if (guard !== undefined) dismissGuard(guard);
    });
  }

  /** Returns only if it fails. */
  #become({ program, mark }: Tried, guard: Fd | undefined, crashedAtMs = this.#options.crashedAtMs): void {
    const { save, logger, abandonLaunches } = this.#options;
    const opened: Fd[] = [];
    try {
      const begunAtMs = performance.now();
      checkSameFile(program, mark);
      const parts = save();
      const executable = isSingleExecutable() ? openOwnExecutable() : undefined;
      if (executable !== undefined) opened.push(executable);
      const state = { ...this.#stateOf(parts, guard, executable), crashedAtMs };
      const { fd, bytes } = writeState(state, true);
      opened.push(fd);
      abandonLaunches();
      const ms = Math.round(performance.now() - begunAtMs);
      logger.info({ bytes, ms }, "becoming the next version");
      becomeImage(imageOf(program, String(fd)), [...(state.descriptors as Fd[]), fd]);
    } catch (error) {
      for (const fd of opened) closeSync(fd);
      logger.error({ err: error }, "could not become the next version: this one continues");
      this.#fail(error);
    }
  }

  #stateNow(guard: Fd | undefined): AgentState {
    return this.#stateOf(this.#options.save(), guard, undefined);
  }

  #stateOf(parts: SavedParts, guard: Fd | undefined, executable: Fd | undefined): AgentState {
    const { version, upgrades } = this.#options;
    const own = [guard, executable].filter((fd) => fd !== undefined);
    return {
      format: FORMAT,
      needs: [],
      version,
      descriptors: [...partDescriptors(parts), ...own],
      previous: { ...ownProgram(), executable },
      upgrades: upgrades + 1,
      failure: this.#failure,
      stoppedAtMs: lastingNowMs(),
      guard,
      ...parts,
    };
  }

  #fail(error: unknown): void {
    this.#isUnderWay = false;
    this.#failure = { message: messageOf(error), atMs: Date.now() };
  }
}
