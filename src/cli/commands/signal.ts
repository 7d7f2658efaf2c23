// `holdfast kill` and `holdfast signal`: their flags and their help. They differ in the signal: `kill` has a default, and
// `signal` also takes it as the last word.

import type { Command } from "commander";
import type { SignalName } from "../../client/index.ts";
import { addConnectionFlags, SELECTOR } from "../options/agent-flags.ts";
import type { SignalFlags } from "./signal-process.ts";
import { readSignal, takeSignalOption } from "./signal-words.ts";

/** `done` receives the exit code. */
export function addSignal(program: Command, done: (exitCode: number) => void): void {
  const command = addSignalFlags(
    program
      .command("signal")
      .summary("send a signal to a process")
      .usage("[options] SELECTOR SIGNAL\n       holdfast signal [options] -SIGNAL SELECTOR...")
      .description("Sends a signal to processes, or with --group to their whole process groups."),
  )
    .argument("<selector...>", `${SELECTOR}; then the signal`)
    .addHelpText("after", SIGNAL_HELP)
    .action(async (words: readonly string[], flags: SignalFlags) => {
      const { selectors, signal } = readWords(command, words, flags);
      const { signalProcesses } = await import("./signal-process.ts");
      done(await signalProcesses(selectors, signal, flags));
    });
}

/** `done` receives the exit code. */
export function addKill(program: Command, done: (exitCode: number) => void): void {
  const command = addSignalFlags(
    program
      .command("kill")
      .summary("end processes: SIGTERM, or the signal given")
      .usage("[options] [-SIGNAL] SELECTOR...")
      .description("Sends SIGTERM, or another signal, to processes."),
  )
    .argument("<selector...>", SELECTOR)
    .addHelpText("after", KILL_HELP)
    .action(async (words: readonly string[], flags: SignalFlags) => {
      const { signal, others } = takeSignalOption(command, words);
      if (others.length === 0) command.error("missing required argument 'selector'");
      const { signalProcesses } = await import("./signal-process.ts");
      done(await signalProcesses(others, flags.signal ?? signal ?? "SIGTERM", flags));
    });
}

function addSignalFlags(command: Command): Command {
  return addConnectionFlags(
    command
      // -9 and -KILL; takeSignalOption refuses the others.
      .allowUnknownOption()
      .option("-s, --signal <signal>", "name or number: SIGTERM, term or 15", readSignal)
      .option("-g, --group", "also the child processes in the same process group")
      .option("--json", "one JSON object per process that got the signal"),
  );
}

function readWords(
  command: Command,
  words: readonly string[],
  flags: SignalFlags,
): { readonly selectors: readonly string[]; readonly signal: SignalName } {
  const { signal, others } = takeSignalOption(command, words);
  const given = flags.signal ?? signal;
  if (given !== undefined) {
    if (others.length === 0) command.error("missing required argument 'selector'");
    return { selectors: others, signal: given };
  }
  const [selector = "", word, ...more] = others;
  if (word === undefined) return command.error("missing required argument 'signal'");
  if (more.length > 0) command.error("several processes need the signal as an option: -TERM A B");
  try {
    return { selectors: [selector], signal: readSignal(word) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return command.error(`command-argument value '${word}' is invalid for argument 'signal'. ${reason}`);
  }
}

const EXIT_CODES = `
Exit codes:
  0  sent
  1  no agent, no such process, or it refused; other processes got the signal
  2  bad argument, option or variable
`;

const SIGNAL_HELP = `${EXIT_CODES}
Examples:
  holdfast signal build TERM
  holdfast signal --group 4711 SIGINT
  holdfast signal -USR1 build test
`;

const KILL_HELP = `
An interactive shell ignores SIGTERM: use -HUP or -9.
${EXIT_CODES}
Examples:
  holdfast kill build
  holdfast kill -9 4711 4712
  holdfast kill -s INT --group build
`;
