// `holdfast logs`: its flags and its help.

import { type Command, InvalidArgumentError } from "commander";
import { addConnectionFlags, giveUpSetting, SELECTOR } from "../options/agent-flags.ts";
import { readMoment } from "../options/moment.ts";
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
    .option("-n, --tail <lines>", "only the last lines; all: every line", readTail)
    .option("--since <time>", "output since then: 10m, or 2026-11-28T10:00:00Z", readMoment)
    .option("-t, --timestamps", "before each line, the time at which the agent read it")
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

/** Undefined: every line. */
function readTail(text: string): number | undefined {
  if (text === "all") return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It is a whole number of lines, or all.");
}

const LOGS_HELP = `
The stdout of the process is printed on stdout, its stderr on stderr.

Times are those of the agent's clock at which it read the output. It keeps up to
8192 of them per process; of older output, a time can be too early, by as much
as "within_ms" of --json says.

With -f, new output is printed as the agent reads it. Without other clients, a
process in detached mode block is not read: use attach to let it continue.

Exit codes:
  0    done; with -f: the process has ended, with any exit code
  1    no agent, no such process, or the process is no longer retained
  2    bad argument, option or variable
  141  the reader of stdout is gone

Examples:
  holdfast logs build
  holdfast logs --tail 20 -f build
  holdfast logs --since 10m --timestamps build
  holdfast logs -f build 2>&1 | grep -i error
`;
