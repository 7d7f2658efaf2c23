// `holdfast logs`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags, giveUpSetting, SELECTOR } from "../options/agent-flags.ts";
import { readOffset } from "../options/values.ts";
import type { LogsFlags } from "./show-logs.ts";

/** `done` receives the exit code. */
export function addLogs(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("logs")
    .summary("print the output of a process")
    .description(
      "Prints the output of a process that the agent still holds. It only observes: neither the process nor other clients " +
        "are affected. Where output is missing, prints the number of missing bytes.",
    )
    .argument("<selector>", SELECTOR)
    .option("-f, --follow", "also new output, until the process ends")
    .option("--from <offset>", "first byte of output", readOffset, 0)
    .option("--json", "one JSON object per event instead of the output")
    .optionsGroup("Connection:")
    .addOption(giveUpSetting());
  addConnectionFlags(command)
    .addHelpText("after", LOGS_HELP)
    .action(async (selector: string, flags: LogsFlags) => {
      const { showLogs } = await import("./show-logs.ts");
      done(await showLogs(selector, flags));
    });
}

const LOGS_HELP = `
The stdout of the process is printed on stdout, its stderr on stderr.

With -f, new output is printed as the agent reads it. Without other clients, a
process in detached mode block is not read: use attach to let it continue.

Exit codes:
  0    done; with -f: the process has ended, with any exit code
  1    no agent, no such process, or the process is no longer retained
  2    bad argument, option or variable
  141  the reader of stdout is gone

Examples:
  holdfast logs build
  holdfast logs -f build 2>&1 | grep -i error
`;
