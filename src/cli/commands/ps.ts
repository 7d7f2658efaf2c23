// `holdfast ps`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import type { PsFlags } from "./list-processes.ts";

/** `done` receives the exit code. */
export function addPs(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("ps")
    .summary("list processes")
    .description("Lists the processes of the agent, the newest last.")
    .option("-a, --all", "also ended processes that are still retained")
    .option("--json", "one JSON array instead of a table");
  addConnectionFlags(command)
    .addHelpText("after", PS_HELP)
    .action(async (flags: PsFlags) => {
      const { listProcesses } = await import("./list-processes.ts");
      done(await listProcesses(flags));
    });
}

const PS_HELP = `
Columns:
  STATE  running  the agent reads its output
         unread   no client is attached and the agent does not read: the process
                  waits once its pipe is full, until a client attaches
         blocked  it waits for the slowest attached client
         exit N   it ended; or the name of the signal that killed it
  AGE    time since it was started
  BYTES  bytes of output so far
  HELD   memory of the agent for the output that it still holds
  SUBS   number of attached clients

Exit codes:
  0    done
  1    no agent, or it refused
  2    bad option or variable
  141  the reader of stdout is gone

Examples:
  holdfast ps
  holdfast ps --all --json | jq '.[] | select(.tag == "build").end.exit_code'
`;
