// `holdfast signal`: its flags and its help.

import { constants } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import type { SignalName } from "../../client/index.ts";
import { addConnectionFlags, SELECTOR } from "../options/agent-flags.ts";
import type { SignalFlags } from "./signal-process.ts";

/** `done` receives the exit code. */
export function addSignal(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("signal")
    .summary("send a signal to a process")
    .description("Sends a signal to a process, or with --group to its whole process group.")
    .argument("<selector>", SELECTOR)
    .argument("<signal>", "name or number: SIGTERM, term or 15", readSignal)
    .option("-g, --group", "also its child processes in the same process group");
  addConnectionFlags(command)
    .addHelpText("after", SIGNAL_HELP)
    .action(async (selector: string, signal: SignalName, flags: SignalFlags) => {
      const { signalProcess } = await import("./signal-process.ts");
      done(await signalProcess(selector, signal, flags));
    });
}

/** The signals that the agent can send. */
const signalNames: readonly SignalName[] = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"] as const),
  ...(["SIGTERM", "SIGCONT", "SIGSTOP", "SIGWINCH"] as const),
];

/** "SIGTERM", "TERM", "term" or "15". */
function readSignal(text: string): SignalName {
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const found = signalNames.find((known) => known === name || String(constants.signals[known]) === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It is one of ${signalNames.join(", ")}.`);
}

const SIGNAL_HELP = `
Exit codes:
  0  sent
  1  no agent, no such process, or it refused
  2  bad argument, option or variable

Examples:
  holdfast signal build TERM
  holdfast signal --group 4711 SIGINT
`;
