// One started process, from its start to its end: running, then (once reaped) draining, then ended.
// Connects its readers, its input and its multiplexer.

import { constants } from "node:os";
import { realClock, startTimer, type Timer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import { fromLastingMs, toLastingMs } from "../lasting-time.ts";
import {
  checkPtySize,
  fromNodeError,
  type Pid,
  type ProcessUsage,
  type PtySize,
  readProcessUsage,
  signalName,
} from "../linux/index.ts";
import {
  type DetachedMode,
  type MemoryBudget,
  Multiplexer,
  type MultiplexerOptions,
  type Offset,
  type OutputStream,
} from "../multiplexer/index.ts";
import { restoreSequence } from "../terminal/index.ts";
import { endFromWaitStatus, type ProcessEnd } from "./end-status.ts";
import type { Attach, AttachedStdio } from "./io/attached-stdio.ts";
import { BlockedWatch } from "./io/blocked-watch.ts";
import type { InputKind, InputPlace, ProcessInput } from "./io/input.ts";
import type { OutputReader, OutputSink } from "./io/output-reader.ts";
import { TerminalHistory } from "./io/terminal-history.ts";
import type { WatchedChild } from "./reaper.ts";
import type { HeldRequest } from "./start/held-request.ts";
import type { OutputPolicy, StartRequest } from "./start/start-request.ts";
import { ChangeMark, type ChangeOrder } from "./table/change-order.ts";
import type { ProcessStatistics } from "./table/statistics.ts";
import type { ProcessState } from "./table-state.ts";

const { SIGKILL } = constants.signals;

export interface ProcessSettings {
  /** How long after the exit the output of orphans is still read (rule 4). */
  readonly drainTimeoutMs: number;
  /** How far the fastest subscriber may be ahead of the slowest one (rule 10). */
  readonly windowBytes: number;
  /** How long a subscriber may make others wait without progress (rule 11). */
  readonly stallMs: number;
  readonly budget: MemoryBudget;
  /** The policy of processes whose request sets none. */
  readonly output: OutputPolicy;
  /** Output is counted here when it is read; the table counts the rest. */
  readonly statistics: ProcessStatistics;
  /** The order that the mark of each process belongs to. */
  readonly changes: ChangeOrder<Process>;
  /** Called once each time a process gets stuck in a write because no client reads its output. */
  readonly onBlocked?: (process: Process) => void;
}

/** Moves only down this list; `#advance` refuses everything else. */
type State =
  /** Not reaped: the pid belongs to this process and can be signalled. */
  | { readonly kind: "running" }
  /** Reaped: the pid may belong to another process. */
  | { readonly kind: "draining"; readonly end: ProcessEnd }
  | { readonly kind: "ended" };

/** The wall clock and the monotonic clock may drift apart by less than this without a step. */
const CLOCK_STEP_MS = 100;

export class Process {
  readonly pid: Pid;
  /** Never reused, unlike the pid. */
  readonly processId: string;
  /** Its number in the order of the starts, which stays in the next image of the agent. */
  readonly position: number;
  readonly #held: HeldRequest;
  /** The name of its user. */
  readonly user: string;
  readonly output: Multiplexer<ProcessEnd>;
  /** Its place in the order of changes. The table adds and removes it. */
  readonly mark: ChangeMark<Process>;
  readonly #child: WatchedChild;
  readonly #input: ProcessInput;
  readonly #readers: readonly OutputReader[];
  readonly #resize: AttachedStdio["resize"];
  readonly #stdio: AttachedStdio;
  readonly #settings: ProcessSettings;
  readonly #blocked: BlockedWatch;
  readonly #terminal: TerminalHistory | undefined;
  readonly #onEnd: (process: Process, end: ProcessEnd) => void;
  /** Called after each change of the terminal's size. Absent while no client asks. */
  #sizeListeners: Set<() => void> | undefined;
  #state: State = { kind: "running" };
  #deadline: Timer | undefined;
  #wasKilledAtDeadline = false;
  #drainDeadline: Timer | undefined;
  #isDrainOver = false;
  /** See `abandonOutput`. */
  #isOutputAbandoned = false;
  /** Of the one of the two that runs, by the running clock. */
  #dueAtMs: number | undefined;
  readonly #bornAtMs: number;
  #startedAtMs: number;
  #reapedAtMs = 0;
  #endedAtMs: number | undefined;

  /**
   * Owns `stdio` of a child that was started in this turn of the event loop, or that another image of this agent
   * started and `saved`: then it does nothing before `goOn`. `onEnd` is called once.
   */
  constructor(
    started: {
      readonly child: WatchedChild;
      readonly processId: string;
      readonly position: number;
      readonly held: HeldRequest;
      readonly user: string;
      readonly stdio: { readonly attach: Attach };
    },
    settings: ProcessSettings,
    onEnd: (process: Process, end: ProcessEnd) => void,
    saved?: ProcessState,
  ) {
    this.pid = started.child.pid;
    this.#child = started.child;
    this.processId = started.processId;
    this.position = started.position;
    this.#held = started.held;
    this.user = started.user;
    this.#settings = settings;
    this.mark = new ChangeMark(settings.changes, this, this);
    this.#onEnd = onEnd;
    this.#startedAtMs = saved?.startedAtMs ?? Date.now();
    const nowMs = performance.now();
    this.#bornAtMs = saved === undefined ? nowMs : fromLastingMs(saved.bornAtMs, nowMs);
    const { stdio } = this.request;
    this.#terminal = stdio.kind === "pty" ? new TerminalHistory(stdio.size, saved?.terminal) : undefined;
    this.output = new Multiplexer(
      {
        ...multiplexerOptions(settings, this.request),
        onReading: (reading) => {
          for (const reader of this.#readers) reader.setReading(reading);
          if (reading || this.output.end !== undefined) this.#blocked.stop();
          else this.#blocked.start();
        },
        onChange: () => this.mark.changed(),
      },
      saved?.output,
    );
    this.#blocked = new BlockedWatch({
      isUnread: () => this.isRunning && !this.output.isReading && this.output.blockingCount === 0,
      isFull: () => this.#readers.some((reader) => reader.isFull),
      onBlocked: () => settings.onBlocked?.(this),
      onChange: () => this.mark.changed(),
      clock: realClock,
    });
    const { budget } = settings;
    const sinkOf = (stream: OutputStream) => this.#sink(stream);
    const attached = started.stdio.attach(this.#name, budget, sinkOf);
    this.#readers = attached.readers;
    this.#input = attached.input;
    this.#resize = attached.resize;
    this.#stdio = attached;
    const { timeoutMs } = this.request;
    if (saved !== undefined) this.#restore(saved);
    else if (timeoutMs !== undefined) this.#startDeadline(timeoutMs);
  }

  /** As plain data, and changes nothing. Its buffers are to be copied before anything else happens. */
  save(): ProcessState {
    const lastingRunning = (atMs: number) => toLastingMs(atMs, realClock.nowMs());
    const { sinceMs } = this.#blocked;
    return {
      pid: this.pid,
      processId: this.processId,
      position: this.position,
      request: this.request,
      user: this.user,
      bornAtMs: toLastingMs(this.#bornAtMs, performance.now()),
      startedAtMs: this.#startedAtMs,
      phase: this.#savePhase(),
      waitStatus: this.#state.kind === "running" ? this.#child.waitStatus : undefined,
      wasKilledAtDeadline: this.#wasKilledAtDeadline,
      dueAtMs: this.#dueAtMs === undefined ? undefined : lastingRunning(this.#dueAtMs),
      blockedSinceMs: sinceMs === undefined ? undefined : lastingRunning(sinceMs),
      stdio: this.#stdio.save(),
      input: this.#input.save(),
      terminal: this.#terminal?.save(),
      output: this.output.save(),
    };
  }

  /** Of a restored one, once its carried streams are attached: reads and writes from here on. */
  goOn(): void {
    this.#restartTimer();
    // Draining: the process takes no more input.
    if (this.#state.kind === "running") this.#input.goOn();
    this.output.goOn();
    if (this.#state.kind === "draining") this.#readOut();
    const isUnread = this.isRunning && !this.output.isReading && this.output.blockingCount === 0;
    if (isUnread) this.#blocked.start();
  }

  /** Whether this process was killed because the `timeoutMs` of its request passed. */
  get deadlinePassed(): boolean {
    return this.#wasKilledAtDeadline;
  }

  /** As the client asked; shortened once the process has ended. */
  get request(): StartRequest {
    return this.#held.request;
  }

  /** The process is forgotten: nothing of it counts any more. */
  releaseRequest(): void {
    this.#held.release();
    this.#input.release();
  }

  /** How long ago it started, by the monotonic clock. */
  get ageMs(): number {
    return performance.now() - this.#bornAtMs;
  }

  /** For how long it has been stuck in a write because no client reads its output (rule 9). */
  get blockedMs(): number | undefined {
    return this.#blocked.blockedMs;
  }

  /** Since the epoch, as the wall clock is set now: it may have been stepped since the start. */
  get startedAtMs(): number {
    const startedAtMs = Math.round(Date.now() - this.ageMs);
    if (Math.abs(startedAtMs - this.#startedAtMs) > CLOCK_STEP_MS) {
      this.#startedAtMs = startedAtMs;
      this.mark.changed();
    }
    return this.#startedAtMs;
  }

  /** When it ended, by the running clock; undefined before. */
  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  /** The usage of it and its descendants; undefined once it has exited. */
  async usage(): Promise<ProcessUsage | undefined> {
    if (!this.isRunning) return undefined;
    const usage = await readProcessUsage(this.pid);
    // Reaped meanwhile: the pid may belong to another process.
    return this.isRunning ? usage : undefined;
  }

  get isRunning(): boolean {
    return this.#state.kind === "running" && !this.#child.isReaped;
  }

  /** See ProcessInput.write. */
  write(kind: InputKind, data: Uint8Array, place?: InputPlace, givenUp?: AbortSignal): Promise<number> {
    return this.#input.write(kind, data, place, givenUp);
  }

  /** See ProcessInput.acceptedBytes. */
  get inputBytes(): number {
    return this.#input.acceptedBytes;
  }

  /** See ProcessInput.close. */
  closeStdin(): void {
    this.#input.close();
  }

  /** Throws `failed_precondition` without a pty, `invalid_argument` for a bad size. */
  resize(size: PtySize): void {
    checkPtySize(size);
    if (this.#resize === undefined)
      throw new HoldfastError("failed_precondition", `${this.#name} has no window size: it runs on pipes`);
    this.#assertRunning();
    this.#resize(size);
    this.#terminal?.resize(size, this.output.head);
    this.mark.changed();
    for (const listener of this.#sizeListeners ?? []) listener();
  }

  /** The size of its terminal now; undefined on pipes. */
  get terminalSize(): PtySize | undefined {
    return this.#terminal?.size;
  }

  /** Calls `listener` after each resize, until the returned function is called. */
  onResize(listener: () => void): () => void {
    this.#sizeListeners ??= new Set();
    this.#sizeListeners.add(listener);
    return () => void this.#sizeListeners?.delete(listener);
  }

  /**
   * The size of the terminal now, and the output that restores its state before the first byte held at or
   * above `from`. Undefined on pipes.
   */
  terminalAt(from: Offset): { readonly size: PtySize; readonly restore: Uint8Array } | undefined {
    if (this.#terminal === undefined) return undefined;
    const state = this.#terminal.stateAt(this.output.markBefore(from));
    return { size: this.#terminal.size, restore: restoreSequence(state) };
  }

  /** Throws `not_found` once the process is reaped: its pid may belong to another process. */
  signal(signal: number): void {
    this.#assertRunning();
    this.#kill(this.pid, signal);
  }

  /** The same for its whole process group, which includes most descendants. */
  signalGroup(signal: number): void {
    this.#assertRunning();
    this.#kill(-this.pid, signal);
  }

  /** The reaper calls this with the status of waitpid. */
  onReaped(waitStatus: number): void {
    const end = endFromWaitStatus(waitStatus);
    this.#reapedAtMs = performance.now();
    this.#advance({ kind: "draining", end });
    this.#deadline?.cancel();
    this.#dueAtMs = undefined;
    // It exited by itself at the deadline: the SIGKILL came too late.
    if (end.exited) this.#wasKilledAtDeadline = false;
    this.#input.abandon();
    this.#stdio.release();
    this.#readOut();
    if (this.#state.kind === "draining") this.#startDrain(this.#settings.drainTimeoutMs);
  }

  /** The agent ends: output that is still in the pipes of an exited process no longer delays its end. */
  abandonOutput(): void {
    this.#isOutputAbandoned = true;
    this.#finishIfRead();
  }

  #startDeadline(delayMs: number): void {
    this.#dueAtMs = realClock.nowMs() + delayMs;
    this.#deadline = startTimer(delayMs, () => this.#passDeadline());
  }

  #startDrain(delayMs: number): void {
    this.#dueAtMs = realClock.nowMs() + delayMs;
    this.#drainDeadline = startTimer(delayMs, () => {
      this.#isDrainOver = true;
      this.#finishIfRead();
    });
  }

  #readOut(): void {
    for (const reader of this.#readers) reader.readOut();
    if (this.#hasUnread) this.output.beginReadOut();
    this.#finishIfRead();
  }

  get #hasUnread(): boolean {
    return !this.#isOutputAbandoned && this.#readers.some((reader) => reader.hasUnread);
  }

  /** What the process wrote before it exited must be read (rule 2). What orphans write is read until the deadline. */
  #finishIfRead(): void {
    if (this.#state.kind !== "draining" || this.#hasUnread) return;
    this.output.endReadOut();
    if (this.#isDrainOver || this.#allReadersEnded()) this.#finish(this.#state.end);
  }

  #savePhase(): ProcessState["phase"] {
    const state = this.#state;
    if (state.kind === "draining")
      return { ...state, reapedAtMs: toLastingMs(this.#reapedAtMs, performance.now()) };
    if (state.kind === "running") return state;
    return { kind: "ended", endedAtMs: toLastingMs(this.#endedAtMs ?? 0, realClock.nowMs()) };
  }

  #restore({ phase, dueAtMs, blockedSinceMs, wasKilledAtDeadline }: ProcessState): void {
    const fromRunning = (lastingMs: number) => fromLastingMs(lastingMs, realClock.nowMs());
    this.#wasKilledAtDeadline = wasKilledAtDeadline;
    this.#blocked.resume(blockedSinceMs === undefined ? undefined : fromRunning(blockedSinceMs));
    this.#dueAtMs = dueAtMs === undefined ? undefined : fromRunning(dueAtMs);
    if (phase.kind === "ended") {
      this.#state = { kind: "ended" };
      this.#endedAtMs = fromRunning(phase.endedAtMs);
    } else if (phase.kind === "draining") {
      this.#state = { kind: "draining", end: phase.end };
      this.#reapedAtMs = fromLastingMs(phase.reapedAtMs, performance.now());
    }
  }

  /** Not before `goOn`: a rehearsal must kill nothing. */
  #restartTimer(): void {
    if (this.#dueAtMs === undefined) return;
    const leftMs = Math.max(0, this.#dueAtMs - realClock.nowMs());
    if (this.#state.kind === "draining") this.#startDrain(leftMs);
    else if (this.#state.kind === "running") this.#startDeadline(leftMs);
  }

  get #name(): string {
    return `process ${this.pid}`;
  }

  #sink(stream: OutputStream): OutputSink {
    const { outputBytes } = this.#settings.statistics;
    return {
      push: (data) => {
        outputBytes[stream] += data.length;
        this.output.push(stream, data, this.#terminal?.follow(data));
      },
      onReadOut: () => this.#finishIfRead(),
      onEnd: () => this.#finishIfRead(),
    };
  }

  #finish(end: ProcessEnd): void {
    this.#advance({ kind: "ended" });
    this.#endedAtMs = realClock.nowMs();
    this.#drainDeadline?.cancel();
    this.#dueAtMs = undefined;
    this.#settings.statistics.drainLatencies.observe(performance.now() - this.#reapedAtMs);
    for (const reader of this.#readers) reader.discard();
    // Before subscribers receive the end: a client that then asks for the pid must not find this
    // process.
    this.#held.shorten();
    this.#onEnd(this, end);
    this.output.finish(end);
    this.#blocked.stop();
  }

  #passDeadline(): void {
    if (!this.isRunning) return;
    this.#wasKilledAtDeadline = true;
    try {
      // The whole group: a shell's children would continue.
      this.#kill(-this.pid, SIGKILL);
    } catch {
      // EPERM: the process changed its user (sudo) and this agent is not root. No caller waits for
      // an answer.
    }
  }

  /** Only while running: even a dead child keeps its pid until it is reaped. */
  #kill(target: number, signal: number): void {
    try {
      process.kill(target, signal);
    } catch (error) {
      throw fromNodeError(`send ${signalName(signal)} to ${this.#name}`, error);
    }
  }

  #allReadersEnded(): boolean {
    return this.#readers.every((reader) => reader.hasEnded);
  }

  #assertRunning(): void {
    if (!this.isRunning) throw new HoldfastError("not_found", `${this.#name} has ended`);
  }

  #advance(next: State): void {
    const order = ["running", "draining", "ended"];
    if (order.indexOf(next.kind) !== order.indexOf(this.#state.kind) + 1)
      throw new Error(`${this.#name} cannot go from ${this.#state.kind} to ${next.kind}`);
    this.#state = next;
  }
}

function multiplexerOptions(
  { windowBytes, stallMs, budget, output }: ProcessSettings,
  request: StartRequest,
): Omit<MultiplexerOptions, "onChange" | "onReading"> {
  const policy = { ...output, ...withoutUndefined(request.output ?? {}) };
  return {
    windowBytes,
    stallMs,
    budget,
    clock: realClock,
    wallMs: Date.now,
    replayBytes: policy.replayBytes,
    detached: detachedMode(policy),
  };
}

function detachedMode({ detached, detachedBufferBytes }: OutputPolicy): DetachedMode {
  return detached === "buffer" ? { kind: detached, bytes: detachedBufferBytes } : { kind: detached };
}

function withoutUndefined(policy: Partial<OutputPolicy>): Partial<OutputPolicy> {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined));
}
