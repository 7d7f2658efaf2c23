// `holdfast logs`: its flags and its help.
import type { Command } from "commander";
import { giveUpSetting, SELECTOR, type UrlFlag, urlSetting } from "../options/agent-flags.ts";
import { readOffset } from "../options/values.ts";

/** As commander names what the flags below yield. */
export interface LogsFlags extends UrlFlag {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly from: number;
  readonly giveUpAfter?: number;
}

/** `done` gets the exit code. */
export function addLogs(program: Command, done: (exitCode: number) => void): void {
  program
    .command("logs")
    .summary("print the output of a process")
    .description(
      "Prints the output of a process that the agent still holds, as an observer: the process never waits for it, and " +
        "where it falls behind, it says what it missed.",
    )
    .argument("<selector>", SELECTOR)
    .option("-f, --follow", "go on with what comes, until the process ends")
    .option("--from <offset>", "begin at this byte of output", readOffset, 0)
    .option("--json", "print one JSON object for each event instead of the output")
    .addOption(urlSetting())
    .addOption(giveUpSetting())
    .addHelpText("after", LOGS_HELP)
    .action(async (selector: string, flags: LogsFlags) => {
      const { showLogs } = await import("./show-logs.ts");
      done(await showLogs(selector, flags));
    });
}

const LOGS_HELP = `
Its stdout comes out on stdout, its stderr on stderr.

Exit codes:
  0    done; with -f: the process has ended, however it did
  1    no agent, no such process, or it is gone
  2    bad argument, option or variable
  141  nobody reads stdout any more

Examples:
  holdfast logs build
  holdfast logs -f build 2>&1 | grep -i error
`;
