// `holdfast signal`: its flags and its help.

import type { Command } from "commander";
import type { SignalName } from "../../client/index.ts";
import { addConnectionFlags, SELECTOR } from "../options/agent-flags.ts";
import { readSignal } from "./signal-names.ts";
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

const SIGNAL_HELP = `
Exit codes:
  0  sent
  1  no agent, no such process, or it refused
  2  bad argument, option or variable

Examples:
  holdfast signal build TERM
  holdfast signal --group 4711 SIGINT
`;
