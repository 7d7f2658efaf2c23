// `holdfast wait`: its flags and its help.

import type { Command } from "commander";
import { exitCodes } from "../exit-codes.ts";
import { addConnectionFlags, giveUpSetting, SELECTOR, usageExitsWith } from "../options/agent-flags.ts";
import { readDurationMs } from "../options/values.ts";
import type { WaitFlags } from "./wait-processes.ts";

/** `done` receives the exit code. */
export function addWait(program: Command, done: (exitCode: number) => void): void {
  const command = usageExitsWith(
    program
      .command("wait")
      .summary("wait for the end of processes")
      .description(
        "Waits until processes have ended, and prints the exit code of each. Without a name, waits for all that run now. " +
          "It changes nothing for the processes: their output waits for a client that attaches.",
      )
      .argument("[selector...]", SELECTOR),
    exitCodes.ownFailure,
  )
    .option("--timeout <duration>", "longest wait (default: forever)", readDurationMs)
    .option("--json", "one JSON object per process instead of the exit code")
    .optionsGroup("Connection:")
    .addOption(giveUpSetting());
  addConnectionFlags(command)
    .addHelpText("after", WAIT_HELP)
    .action(async (selectors: readonly string[], flags: WaitFlags) => {
      const { waitForProcesses } = await import("./wait-processes.ts");
      done(await waitForProcesses(selectors, flags));
    });
}

const WAIT_HELP = `
Exit codes:
  N      the exit code of the last of them; 128+N if signal N killed it
  124    --timeout has passed, or the process was killed at its time limit
  125    holdfast failed: no agent, bad option, or no such process
  141    the reader of stdout is gone

Examples:
  holdfast wait build && holdfast logs build
  holdfast wait --timeout 10m build test
`;
