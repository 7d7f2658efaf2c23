// `holdfast ps`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import { readFormat, refuseTwoFormats } from "./format-template.ts";
import type { PsFlags } from "./list-processes.ts";
import { processFields } from "./process-fields.ts";
import { filterKeys, filterStatuses, readFilter } from "./process-filter.ts";

/** `done` receives the exit code. */
export function addPs(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("ps")
    .summary("list processes")
    .description("Lists the processes of the agent, the newest last.")
    .option("-a, --all", "also ended processes that are still retained")
    .option("-q, --quiet", "only the pids; no notices")
    .option("-f, --filter <key=value>", "only processes that match, see below", readFilter)
    .option(
      "--format <format>",
      "table, json or a template, see below",
      readFormat(processFields, ["table", "json"]),
    )
    .option("--no-trunc", "whole commands, also on a terminal")
    .option("--json", "one JSON array instead of a table");
  addConnectionFlags(command, { ownQuiet: true })
    .addHelpText("after", PS_HELP)
    .action(async (flags: PsFlags) => {
      refuseTwoFormats(command, flags);
      const { listProcesses } = await import("./list-processes.ts");
      done(await listProcesses(flags));
    });
}

const PS_HELP = `
Columns:
  USER   the user that it runs as
  STATE  running  the agent reads its output
         unread   no client is attached and the agent does not read: the process
                  waits once its pipe is full, until a client attaches
         blocked  it waits for the slowest attached client; with a time: it has
                  waited in a write for so long, because no client reads
         exit N   it ended; or the name of the signal that killed it
  AGE    time since it was started
  BYTES  bytes of output so far
  HELD   memory of the agent for the output that it still holds
  SUBS   number of attached clients

Filters (values of one key are alternatives, all keys must match):
  ${filterKeys.join(", ")}
  tag, name and command match a part. The status is one of
  ${filterStatuses.join(", ")}.

Format: "table", "json", or a template such as '{{.Pid}} {{.Tag}}'; with
"table " before the template it has headings. The fields:
  ${processFields.slice(0, 11).join(", ")},
  ${processFields.slice(11).join(", ")}

Exit codes:
  0    done
  1    no agent, or it refused
  2    bad option or variable
  141  the reader of stdout is gone

Examples:
  holdfast ps
  holdfast ps -q --filter user=nobody
  holdfast ps -a --format '{{.Pid}}\\t{{.Status}}'
  holdfast ps --all --json | jq '.[] | select(.tag == "build").end.exit_code'
`;
