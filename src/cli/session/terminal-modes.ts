// The modes of the terminal here, while a process on a pty is shown on it: those of the process
// before its output, and those from before when this command leaves or is suspended. Only modes
// that were set are reset. Every end of the command comes here: by `close`, by a crash, by
// `process.exit`.

import type { TerminalState as Restorable } from "../../client/index.ts";
import { resetSequence, restoreSequence, type TerminalState, TerminalTracker } from "../../terminal/index.ts";

/** xterm's stack of titles: the only way to get the earlier one back. */
const PUSH_TITLE = "\x1b[22;2t";
const POP_TITLE = "\x1b[23;2t";

/** Without moving the cursor. */
const WHOLE_SCREEN = "\x1b7\x1b[r\x1b8";

export interface TerminalModesOptions {
  /** Writes to the terminal at once. */
  readonly write: (data: Uint8Array | string) => void;
  /** Of the terminal here. */
  readonly rows: () => number | undefined;
}

/** The usual one, for terminals that do not know theirs. */
const DEFAULT_ROWS = 24;

type State =
  | { readonly kind: "shown"; readonly tracker: TerminalTracker }
  /** Another program uses the terminal. */
  | { readonly kind: "suspended"; readonly modes: TerminalState }
  /** Not begun, or closed: nothing is set. */
  | { readonly kind: "closed" };

export class TerminalModes {
  readonly #options: TerminalModesOptions;
  #state: State = { kind: "closed" };
  #hasPushedTitle = false;
  #isWatched = false;
  readonly #close = () => this.close();
  /** The output of before the jump is missing on the screen. */
  onJump: (() => void) | undefined;
  readonly #outputListeners = new Set<() => void>();

  constructor(options: TerminalModesOptions) {
    this.#options = options;
  }

  /** Whether a full-screen program draws here. */
  get isFullScreen(): boolean {
    return this.#state.kind === "shown" && this.#state.tracker.state.screen !== 0;
  }

  /** The output begins at `terminal`, or at the initial state of a terminal. */
  begin(terminal: Restorable | undefined): void {
    this.#watchEnd();
    this.#state = { kind: "shown", tracker: this.#newTracker() };
    if (terminal !== undefined) this.#restore(terminal.restore, terminal.size.rows);
  }

  /** Output was lost; it continues at `terminal`. */
  jump(terminal: Restorable | undefined): void {
    if (this.#state.kind !== "shown" || terminal === undefined) return;
    this.#reset();
    this.begin(terminal);
    this.onJump?.();
  }

  /** Call it before each write of output. False: do not write it, the terminal is no longer this command's. */
  follow(data: Uint8Array): boolean {
    if (this.#state.kind === "closed") return !this.#isWatched;
    if (this.#state.kind === "shown") this.#track(this.#state.tracker, data);
    for (const listener of this.#outputListeners) listener();
    return true;
  }

  /** Resolves at the next output. */
  readonly nextOutput = (): Promise<void> =>
    new Promise((resolve) => {
      const listener = (): void => {
        this.#outputListeners.delete(listener);
        resolve();
      };
      this.#outputListeners.add(listener);
    });

  /** The terminal here has another size, and so no scroll region. */
  resized(): void {
    if (this.#state.kind === "shown") this.#state.tracker.resize(this.#rows);
  }

  /** Resets the modes until `resume`. */
  suspend(): void {
    if (this.#state.kind !== "shown") return;
    const modes = this.#state.tracker.state;
    this.#reset();
    this.#state = { kind: "suspended", modes };
  }

  /** Sets the modes again, also those that another program may have changed while this one was stopped. */
  resume(): void {
    if (this.#state.kind === "shown") this.suspend();
    if (this.#state.kind !== "suspended") return;
    const { modes } = this.#state;
    this.#state = { kind: "shown", tracker: this.#newTracker() };
    this.#restore(restoreSequence(modes), undefined);
  }

  /** Resets the modes. Later output is not shown. A second call does nothing. */
  close(): void {
    this.#reset();
    this.#state = { kind: "closed" };
    process.off("exit", this.#close).off("uncaughtExceptionMonitor", this.#close);
  }

  get #rows(): number {
    return this.#options.rows() ?? DEFAULT_ROWS;
  }

  #newTracker(): TerminalTracker {
    return new TerminalTracker(this.#rows);
  }

  /** `rows` are those of the terminal that had this state; undefined: of this one. */
  #restore(sequence: Uint8Array, rows: number | undefined): void {
    if (this.#state.kind !== "shown" || sequence.length === 0) return;
    const { tracker } = this.#state;
    this.#track(tracker, sequence);
    this.#options.write(sequence);
    // The scroll region is of another size. The program sets its own when it draws for this size.
    if (rows === undefined || rows === this.#rows || tracker.state.region === "") return;
    this.#track(tracker, Buffer.from(WHOLE_SCREEN));
    this.#options.write(WHOLE_SCREEN);
  }

  #track(tracker: TerminalTracker, data: Uint8Array): void {
    tracker.write(data);
    if (this.#hasPushedTitle || tracker.title === undefined) return;
    this.#hasPushedTitle = true;
    this.#options.write(PUSH_TITLE);
  }

  #reset(): void {
    if (this.#state.kind !== "shown") return;
    const sequence = resetSequence(this.#state.tracker.state);
    this.#state = { kind: "shown", tracker: this.#newTracker() };
    if (sequence.length > 0) this.#options.write(sequence);
    if (this.#hasPushedTitle) this.#options.write(POP_TITLE);
    this.#hasPushedTitle = false;
  }

  /** A crash is printed after the reset: on the alternate screen it would be invisible. */
  #watchEnd(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    process.on("exit", this.#close).on("uncaughtExceptionMonitor", this.#close);
  }
}
