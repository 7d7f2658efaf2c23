// One started process, from its start to its end: running, then (once reaped) draining, then ended. Ties its
// readers, its input and its multiplexer together; how each works is their own business.

import { realClock, startTimer, type Timer } from "../clock.ts";
import { HoldfastError } from "../errors.ts";
import { checkPtySize, fromNodeError, type Pid, type PtySize } from "../linux/index.ts";
import {
  type DetachedMode,
  type MemoryBudget,
  Multiplexer,
  type MultiplexerOptions,
  type OutputStream,
} from "../multiplexer/index.ts";
import { endFromWaitStatus, type ProcessEnd, signalName } from "./end-status.ts";
import type { InputKind, InputPlace, ProcessInput } from "./io/input.ts";
import type { OutputReader } from "./io/output-reader.ts";
import type { AttachedStdio, Stdio } from "./io/stdio.ts";
import type { OutputPolicy, StartRequest } from "./start/start-request.ts";
import type { ProcessStatistics } from "./table/statistics.ts";

const SIGKILL = 9;

export interface ProcessSettings {
  /** How long after the exit an orphan's output still counts (rule 4). */
  readonly drainTimeoutMs: number;
  /** How much a slow subscriber may have before it until the process must wait (Multiplexer.windowBytes). */
  readonly windowBytes: number;
  /** How long a subscriber may hold up others (rule 7). */
  readonly stallMs: number;
  readonly budget: MemoryBudget;
  /** For processes whose request says nothing else. */
  readonly output: OutputPolicy;
  /** Output is counted there as it comes; the rest by the table. */
  readonly statistics: ProcessStatistics;
}

/** Moves only downwards in this list; `#advance` refuses all else. */
type State =
  /** Not reaped: the pid is ours and can be signalled. */
  | { readonly kind: "running" }
  /** Reaped: the pid may be another process's by now. */
  | { readonly kind: "draining"; readonly end: ProcessEnd }
  | { readonly kind: "ended" };

export class Process {
  readonly pid: Pid;
  /** Never reused, unlike the pid. */
  readonly processId: string;
  readonly request: StartRequest;
  /** Whose it is, by name. */
  readonly user: string;
  /** Since the epoch. */
  readonly startedAtMs = Date.now();
  readonly output: Multiplexer<ProcessEnd>;
  readonly #input: ProcessInput;
  readonly #readers: readonly OutputReader[];
  readonly #resize: AttachedStdio["resize"];
  readonly #release: AttachedStdio["release"];
  readonly #settings: ProcessSettings;
  readonly #onEnd: (process: Process, end: ProcessEnd) => void;
  #state: State = { kind: "running" };
  #deadline: Timer | undefined;
  #deadlinePassed = false;
  #drainDeadline: Timer | undefined;
  readonly #bornAtMs = performance.now();
  #reapedAtMs = 0;

  /** Takes over `stdio` of a child that was started in this very turn. `onEnd` is called once. */
  constructor(
    started: {
      readonly pid: Pid;
      readonly processId: string;
      readonly request: StartRequest;
      readonly user: string;
      readonly stdio: Stdio;
    },
    settings: ProcessSettings,
    onEnd: (process: Process, end: ProcessEnd) => void,
  ) {
    this.pid = started.pid;
    this.processId = started.processId;
    this.request = started.request;
    this.user = started.user;
    this.#settings = settings;
    this.#onEnd = onEnd;
    this.output = new Multiplexer({
      ...multiplexerOptions(settings, started.request),
      onReading: (reading) => {
        for (const reader of this.#readers) reader.setReading(reading);
      },
    });
    const attached = started.stdio.attach(this.#name, (stream) => this.#sink(stream));
    this.#readers = attached.readers;
    this.#input = attached.input;
    this.#resize = attached.resize;
    this.#release = attached.release;
    const { timeoutMs } = started.request;
    if (timeoutMs !== undefined) this.#deadline = startTimer(timeoutMs, () => this.#passDeadline());
  }

  /** Whether this process was killed because the request's `timeoutMs` ran out. */
  get deadlinePassed(): boolean {
    return this.#deadlinePassed;
  }

  /** How long ago it started, by a clock that nobody sets. */
  get ageMs(): number {
    return performance.now() - this.#bornAtMs;
  }

  get isRunning(): boolean {
    return this.#state.kind === "running";
  }

  /** See ProcessInput.write. */
  write(kind: InputKind, data: Uint8Array, place?: InputPlace): Promise<number> {
    return this.#input.write(kind, data, place);
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
  }

  /** Throws `not_found` once the process is reaped: its pid may be another's by then. */
  signal(signal: number): void {
    this.#assertRunning();
    this.#kill(this.pid, signal);
  }

  /** The same for its whole process group, so that its descendants get it, too. */
  signalGroup(signal: number): void {
    this.#assertRunning();
    this.#kill(-this.pid, signal);
  }

  /** To be called by whoever reaped the child, with waitpid's status. */
  onReaped(waitStatus: number): void {
    const end = endFromWaitStatus(waitStatus);
    this.#reapedAtMs = performance.now();
    this.#advance({ kind: "draining", end });
    this.#deadline?.cancel();
    // It exited by itself in the very moment: the SIGKILL found it dead.
    if (end.exited) this.#deadlinePassed = false;
    this.#input.abandon();
    this.#release();
    for (const reader of this.#readers) reader.readOut();
    if (this.#readersAreOver()) this.#finish(end);
    else this.#drainDeadline = startTimer(this.#settings.drainTimeoutMs, () => this.#finish(end));
  }

  get #name(): string {
    return `process ${this.pid}`;
  }

  #sink(stream: OutputStream): { push(data: Buffer): void; onOver(): void } {
    const { outputBytes } = this.#settings.statistics;
    return {
      push: (data) => {
        outputBytes[stream] += data.length;
        this.output.push(stream, data);
      },
      onOver: () => {
        if (this.#state.kind === "draining" && this.#readersAreOver()) this.#finish(this.#state.end);
      },
    };
  }

  #finish(end: ProcessEnd): void {
    this.#advance({ kind: "ended" });
    this.#drainDeadline?.cancel();
    this.#settings.statistics.drainLatencies.observe(performance.now() - this.#reapedAtMs);
    for (const reader of this.#readers) reader.discard();
    // The table forgets the process before its subscribers learn of the end: who then asks for its pid finds none.
    this.#onEnd(this, end);
    this.output.finish(end);
  }

  #passDeadline(): void {
    this.#deadlinePassed = true;
    try {
      this.#kill(this.pid, SIGKILL);
    } catch {
      // EPERM: it became another user's (sudo) and this agent is not root. Nobody waits here to be told.
    }
  }

  /** Only while running: until the reaper has collected it, even a dead child keeps its pid. */
  #kill(target: number, signal: number): void {
    try {
      process.kill(target, signal);
    } catch (error) {
      throw fromNodeError(`send ${signalName(signal)} to ${this.#name}`, error);
    }
  }

  #readersAreOver(): boolean {
    return this.#readers.every((reader) => reader.isOver);
  }

  #assertRunning(): void {
    if (this.#state.kind !== "running") throw new HoldfastError("not_found", `${this.#name} has ended`);
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
): Omit<MultiplexerOptions, "onReading"> {
  const policy = { ...output, ...withoutUndefined(request.output ?? {}) };
  return {
    windowBytes,
    stallMs,
    budget,
    clock: realClock,
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
