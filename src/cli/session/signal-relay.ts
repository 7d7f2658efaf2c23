// Forwards the signals of this command to the process. Except SIGHUP, which means that the terminal is gone: processes
// outlive that. A signal that cannot be forwarded now, and the third of a kind in a row, end this command and not the
// process. Supervisors send SIGTERM once, so that ends this command in any case in which the process cannot.

import { ClientError, type RemoteProcess, type SignalName } from "../../client/index.ts";
import { messageOf } from "../../text.ts";

/** True: a terminal sends this signal, so the whole process group gets it, as from a terminal. */
const forwarded: ReadonlyMap<SignalName, boolean> = new Map([
  ["SIGINT", true],
  ["SIGQUIT", true],
  ["SIGTERM", false],
  ["SIGUSR1", false],
  ["SIGUSR2", false],
]);

/** These end a command that does not forward them. */
const ending: ReadonlySet<SignalName> = new Set(["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"]);

/** After this time without an answer of the agent, a line explains why nothing happens. */
const USUAL_ANSWER_MS = 500;

/** After this time, a signal that nobody answers ends this command. */
const PATIENCE_MS = 3_000;

/** The time for the rest of the output when a signal finds that the process has ended. */
const LAST_OUTPUT_MS = 1_000;

/** With this many unanswered signals, the next one ends this command. */
const MAX_UNANSWERED = 2;

/** This Ctrl-C, and this SIGTERM or SIGQUIT, ends this command. */
const LEAVING_PRESS = 3;

/** After this time without the same signal, the next one is the first. */
const PRESSES_MS = 10_000;

export interface SignalRelayOptions {
  /** False: the process gets no signal. */
  readonly forwards: boolean;
  /** Whether a signal that comes before the process is known is kept for it. */
  readonly keepsEarly: boolean;
  /** Whether the agent cannot be reached now. */
  readonly isDown: () => boolean;
  /** Called for a signal that ends this command and not the process. */
  readonly leave: (signal: SignalName, hasEnded: boolean) => void;
  /** The next signal of this kind ends this command. */
  readonly onLastPress: (signal: SignalName) => void;
  /** For how long output has waited for its reader. */
  readonly unreadMs: () => number;
  readonly reportProblem: (message: string) => void;
}

/** From construction to `stop`, these signals do not end this command by themselves. */
export class SignalRelay {
  readonly #options: SignalRelayOptions;
  readonly #listeners = new Map<SignalName, () => void>();
  #process: RemoteProcess | undefined;
  /** A signal that arrived before the process was started. */
  #early: SignalName | undefined;
  #earlyNotice: NodeJS.Timeout | undefined;
  #unanswered = 0;
  /** Runs since a signal that has to end either the process or this command. */
  #patience: NodeJS.Timeout | undefined;
  #pressed: SignalName | undefined;
  #presses = 0;
  #pressedAtMs = 0;
  #processHasEnded = false;
  #lastOutput: NodeJS.Timeout | undefined;

  constructor(options: SignalRelayOptions) {
    this.#options = options;
    for (const name of [...forwarded.keys(), "SIGHUP"] as const) {
      const listener = (): void => this.#receive(name);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  attach(remote: RemoteProcess): void {
    this.#process = remote;
    clearTimeout(this.#earlyNotice);
    if (this.#early !== undefined) void this.#send(remote, this.#early);
  }

  stop(): void {
    clearTimeout(this.#earlyNotice);
    clearTimeout(this.#lastOutput);
    clearInterval(this.#patience);
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #receive(name: SignalName): void {
    const { forwards, leave } = this.#options;
    if (!forwards && !ending.has(name)) return;
    if (ending.has(name)) this.#countPress(name);
    const leaves = name === "SIGHUP" || !forwards || this.#presses >= LEAVING_PRESS || this.#isStuck();
    if (leaves) {
      leave(name, this.#processHasEnded);
      return;
    }
    if (ending.has(name)) this.#leaveUnlessItEnds(name);
    if (this.#process !== undefined) void this.#send(this.#process, name);
    else this.#keepForStart(name);
  }

  #countPress(name: SignalName): void {
    const nowMs = performance.now();
    const isAgain = name === this.#pressed && nowMs - this.#pressedAtMs <= PRESSES_MS;
    this.#pressed = name;
    this.#presses = isAgain ? this.#presses + 1 : 1;
    this.#pressedAtMs = nowMs;
    const isKnown = this.#process !== undefined && this.#options.forwards && !this.#isStuck();
    if (isKnown && this.#presses === LEAVING_PRESS - 1) this.#options.onLastPress(name);
  }

  #leaveUnlessItEnds(name: SignalName): void {
    clearInterval(this.#patience);
    const check = (): void => {
      if (this.#hasNoEffect(name)) this.#options.leave(name, this.#processHasEnded);
    };
    this.#patience = setInterval(check, PATIENCE_MS);
  }

  /** Whether nothing shows that `name` will end the process, and so this command. */
  #hasNoEffect(name: SignalName): boolean {
    if (this.#process === undefined || this.#unanswered > 0) return true;
    // On pipes, a process may take its time to end. Interactive shells ignore SIGTERM.
    return name === "SIGTERM" && (this.#process.isPty || this.#options.unreadMs() >= PATIENCE_MS);
  }

  #keepForStart(name: SignalName): void {
    this.#early = name;
    const notice = `the agent has not answered yet; ${name} is forwarded once it does; another signal ends this command, and so do ${PATIENCE_MS / 1000} s without an answer`;
    this.#earlyNotice = setTimeout(() => this.#options.reportProblem(notice), USUAL_ANSWER_MS);
  }

  #isStuck(): boolean {
    const { isDown, keepsEarly } = this.#options;
    if (this.#process === undefined) return !keepsEarly || this.#early !== undefined || isDown();
    return isDown() || this.#processHasEnded || this.#unanswered >= MAX_UNANSWERED;
  }

  async #send(remote: RemoteProcess, name: SignalName): Promise<void> {
    this.#unanswered++;
    try {
      await remote.signal(name, { group: forwarded.get(name) === true });
    } catch (error) {
      const code = error instanceof ClientError ? error.code : undefined;
      if (code === "not_found") this.#awaitLastOutput(name);
      else if (code !== "canceled")
        this.#options.reportProblem(`sending ${name} failed: ${messageOf(error)}`);
    } finally {
      this.#unanswered--;
    }
  }

  /** The process has ended and the rest of its output is on its way. Another signal ends the waiting. */
  #awaitLastOutput(name: SignalName): void {
    this.#processHasEnded = true;
    this.#lastOutput ??= setTimeout(() => this.#options.leave(name, true), LAST_OUTPUT_MS);
  }
}
