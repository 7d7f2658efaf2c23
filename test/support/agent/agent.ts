// A real agent for tests: `node dist/cli/main.cjs serve --port 0` as a child, ready when this
// resolves. It is stopped when the test that started it is finished; outside a test (beforeAll) the
// caller calls `stop()`. If the test process ends first, the agent gets SIGTERM. Only our own child
// is ever signalled.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { onTestFinished, TestRunner } from "vitest";
import { createWaiter } from "../waiter.ts";

export const cliPath = fileURLToPath(new URL("../../../dist/cli/main.cjs", import.meta.url));

export interface CommandOptions {
  /** Started instead of `node dist/cli/main.cjs`: another build of the same command. */
  readonly program?: readonly string[];
  /** Arguments after `node dist/cli/main.cjs`. */
  readonly args?: readonly string[];
  /**
   * Added to the test's environment without its HOLDFAST_ variables. undefined removes a variable.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Node's own flags, such as --expose-gc. */
  readonly nodeArgs?: readonly string[];
  /**
   * Put before node. It must exec its arguments, so that the pid stays the same: ["prlimit",
   * "--nofile=64"].
   */
  readonly prefix?: readonly string[];
  readonly cwd?: string;
  /** "pipe": the child's stdin is `child.stdin`. Default: /dev/null. */
  readonly stdin?: "ignore" | "pipe";
  /**
   * The time limit of a step (ready, a line, the exit). At the limit the step fails with the state.
   * Default: 15 s.
   */
  readonly deadlineMs?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** `holdfast` as a child, in any state of its life. */
export interface RunningCommand {
  readonly pid: number;
  readonly child: ChildProcess;
  /** All its output so far. */
  stdout(): string;
  stderr(): string;
  /**
   * Resolves when it has exited and its output is read to the end. Rejects at the deadline, with
   * the state.
   */
  exited(): Promise<Exit>;
  /**
   * The first match in its past or future output. Rejects at the deadline, and when it exits
   * without a match.
   */
  waitFor(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray>;
  /** The same for what `look` finds in its output: it is called again after each change. */
  until<T>(what: string, look: () => T | undefined): Promise<T>;
  kill(signal: NodeJS.Signals): void;
  /**
   * Sends SIGTERM if it still runs, and waits for its exit. Can be called again. At the deadline it
   * sends SIGKILL and rejects with the state.
   */
  stop(): Promise<Exit>;
}

export interface RunningAgent extends RunningCommand {
  /** http://127.0.0.1:PORT, as printed. */
  readonly url: string;
  readonly port: number;
}

/**
 * `holdfast serve --port 0 …args`, ready. At the stop, processes that ignore SIGTERM get half a
 * second instead of five, unless `args` or `env` set it. Rejects with the agent's output if it
 * exits or stays silent.
 */
export async function startAgent(options: CommandOptions = {}): Promise<RunningAgent> {
  const command = runCommand({
    ...options,
    args: ["serve", "--port", "0", ...(options.args ?? [])],
    env: { HOLDFAST_SHUTDOWN_GRACE: "500ms", ...options.env },
  });
  try {
    const [, url = ""] = await command.waitFor("stdout", /^holdfast listening on (http:\S+)\n/m);
    return { ...command, url, port: Number(new URL(url).port) };
  } catch (error) {
    await command.stop();
    throw error;
  }
}

/** Any `holdfast …` command, without waiting for anything. Cleaned up as an agent is. */
export function runCommand(options: CommandOptions = {}): RunningCommand {
  if (options.program === undefined && !existsSync(cliPath))
    throw new Error(`${cliPath} is missing: run \`npm run build\` first`);
  const deadlineMs = options.deadlineMs ?? 15_000;
  const { prefix = [], nodeArgs = [], args = [] } = options;
  const holdfast = options.program ?? [process.execPath, ...nodeArgs, cliPath];
  const [program = "", ...programArgs] = [...prefix, ...holdfast, ...args];
  const child = spawn(program, programArgs, {
    env: cleanEnvironment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
  });
  const command = watch(child, [program, ...programArgs].join(" "), deadlineMs);
  if (TestRunner.getCurrentTest() !== undefined) {
    // Longer than the stop's own deadline, whose error says more than vitest's.
    onTestFinished(async () => void (await command.stop()), deadlineMs + 5_000);
  }
  return command;
}

const running = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});

function watch(child: ChildProcess, commandLine: string, deadlineMs: number): RunningCommand {
  const output = { stdout: "", stderr: "" };
  let exit: Exit | undefined;
  let failure: Error | undefined;
  const state = (): string =>
    `${commandLine}\n  pid ${child.pid}, ${JSON.stringify(exit ?? { running: true })}\n` +
    `--- stdout\n${output.stdout.slice(-4_000)}\n--- stderr\n${output.stderr.slice(-4_000)}`;
  const { changed, until: untilFound } = createWaiter(deadlineMs, state);

  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
      changed();
    });
  }
  running.add(child);
  child.once("error", (error) => {
    failure = error;
    changed();
  });
  // "exit" comes before the output is complete; "close" comes after.
  child.once("close", (code, signal) => {
    running.delete(child);
    exit = { code, signal };
    changed();
  });

  const until = <T>(what: string, look: () => T | undefined): Promise<T> =>
    untilFound(
      what,
      look,
      () => failure ?? (exit === undefined ? undefined : new Error(`ended without ${what}: ${state()}`)),
    );

  const exited = (): Promise<Exit> => until("an exit", () => exit);
  return {
    pid: child.pid ?? 0,
    child,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    exited,
    until,
    waitFor: (stream, pattern) =>
      until(`${pattern} on ${stream}`, () => pattern.exec(output[stream]) ?? undefined),
    // ChildProcess.kill sends nothing once the child is reaped, so it never hits a reused pid.
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      if (failure !== undefined) return { code: null, signal: null };
      if (exit === undefined) child.kill("SIGTERM");
      try {
        return await exited();
      } catch (error) {
        child.kill("SIGKILL");
        throw error;
      }
    },
  };
}

export function cleanEnvironment(added: CommandOptions["env"] = {}): NodeJS.ProcessEnv {
  // HOLDFAST_PTY chooses how this whole run of the tests opens terminals.
  const inherited = Object.entries(process.env).filter(
    ([name]) => name === "HOLDFAST_PTY" || !name.startsWith("HOLDFAST_"),
  );
  // The contexts of the developer do not count in tests.
  const env = { ...Object.fromEntries(inherited), XDG_CONFIG_HOME: "/dev/null", ...added };
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
}
