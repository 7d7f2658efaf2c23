// `holdfast ps`: its flags and its help.
import type { Command } from "commander";
import { type UrlFlag, urlSetting } from "../options/agent-flags.ts";

/** As commander names what the flags below yield. */
export interface PsFlags extends UrlFlag {
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `done` gets the exit code. */
export function addPs(program: Command, done: (exitCode: number) => void): void {
  program
    .command("ps")
    .summary("list processes")
    .description("Lists the agent's processes, the newest last.")
    .option("-a, --all", "also those that have ended and are still retained")
    .option("--json", "print one JSON array instead of a table")
    .addOption(urlSetting())
    .addHelpText("after", PS_HELP)
    .action(async (flags: PsFlags) => {
      const { listProcesses } = await import("./list-processes.ts");
      done(await listProcesses(flags));
    });
}

const PS_HELP = `
Columns:
  STATE  running  the agent reads its output
         unread   nobody is attached and the agent does not read: it waits once
                  its pipe is full, until somebody attaches
         blocked  it waits for the slowest of those attached
         exit N   it ended; or a signal's name, which killed it
  AGE    since it was started
  BYTES  how much it has written
  HELD   the memory that the agent spends on what it still holds of that
  SUBS   how many are attached

Exit codes:
  0    done
  1    no agent, or it refused
  2    bad option or variable
  141  nobody reads stdout any more

Examples:
  holdfast ps
  holdfast ps --all --json | jq '.[] | select(.tag == "build").end.exit_code'
`;
