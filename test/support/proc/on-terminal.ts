// A program on a real terminal of its own, with a test at the keyboard. Killed when its test is
// finished.
import { onTestFinished } from "vitest";
import { cleanEnvironment } from "../agent/agent.ts";
import { createWaiter } from "../waiter.ts";
import { startOnTerminal } from "./terminal-program.ts";

export interface OnTerminalOptions {
  /** Default: a colour terminal without NO_COLOR. undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cols?: number;
  readonly rows?: number;
}

export interface OnTerminal {
  readonly pid: number;
  /** Everything that the terminal has shown so far. */
  shown(): string;
  /**
   * The first match in what it has shown or will show after index `from`. Rejects at a deadline,
   * and when the program ends.
   */
  waitFor(pattern: RegExp, from?: number): Promise<RegExpExecArray>;
  type(keys: string): void;
  resize(cols: number, rows: number): void;
  kill(signal: NodeJS.Signals): void;
  /** Takes the terminal away: SIGHUP to the program, and no more input. */
  hangUp(): void;
  /** For a signal: 128 + its number. */
  exited(): Promise<number>;
}

const DEADLINE_MS = 15_000;

export function onTerminal(argv: readonly string[], options: OnTerminalOptions = {}): OnTerminal {
  const { cols = 80, rows = 24, env } = options;
  let shown = "";
  let exitCode: number | undefined;
  const state = () => `${argv.join(" ")}: exit ${exitCode}, shown: ${JSON.stringify(shown)}`;
  const { changed, until } = createWaiter(DEADLINE_MS, state);
  const terminal = startOnTerminal(
    argv,
    cleanEnvironment({ NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined, ...env }),
    { cols, rows },
    {
      onOutput(text) {
        shown += text;
        changed();
      },
      onExit(code) {
        exitCode = code;
        changed();
      },
    },
  );
  onTestFinished(() => {
    if (exitCode === undefined) terminal.kill("SIGKILL");
  });

  return {
    pid: terminal.pid,
    shown: () => shown,
    waitFor: (pattern, from = 0) =>
      until(
        String(pattern),
        () => pattern.exec(shown.slice(from)) ?? undefined,
        () => (exitCode === undefined ? undefined : new Error(`ended without ${pattern}: ${state()}`)),
      ),
    type: terminal.type,
    resize: (newCols, newRows) => terminal.resize({ cols: newCols, rows: newRows }),
    kill: terminal.kill,
    hangUp: terminal.hangUp,
    exited: () => until("exit", () => exitCode),
  };
}
