// `holdfast top`: its flags and its help.

import { type Command, Option } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import { readChoice, readCount, readDurationMs } from "../options/values.ts";
import { sortKeys } from "./rates.ts";
import type { TopFlags } from "./sampling.ts";

/** `done` receives the exit code. `run` runs another command line, such as ["attach", "4711"]. */
export function addTop(
  program: Command,
  done: (exitCode: number) => void,
  run: (words: readonly string[]) => Promise<number>,
): void {
  const command = program
    .command("top")
    .summary("watch the processes: CPU, memory and output")
    .description(
      "Shows the running processes with their rates of CPU time and output, the busiest first, until q is pressed. When " +
        "stdout is not a terminal, prints one table and ends.",
    )
    .addOption(
      new Option("-d, --interval <duration>", "time between two tables")
        .argParser(readDurationMs)
        .default(2_000, "2s"),
    )
    .option("-n, --count <n>", "ends after so many tables, without keys", readCount)
    .option("--sort <key>", sortKeys.join(", "), readChoice(sortKeys), "cpu")
    .option("--json", "one JSON array per table and line");
  addConnectionFlags(command)
    .addHelpText("after", TOP_HELP)
    .action(async (flags: TopFlags) => {
      const { showTop } = await import("./show-top.ts");
      done(await showTop(flags, run));
    });
}

const TOP_HELP = `
Columns:
  CPU%   CPU time of the process and its descendants, 100 is one core
  MEM    their resident memory
  OUT/S  bytes of output per second
  The others are those of holdfast ps.

Keys:
  up, down   choose a process      a, Enter  attach to it
  l          its output            s         send it a signal
  c m o p t  sort by CPU, memory, output, pid, age
  Page Up, Page Down, Home, End    choose one farther away
  q          end                   Ctrl-Z    suspend

On a pipe or a dumb terminal it prints tables.

Exit codes:
  0    done
  1    no agent, or it refused
  2    bad option or variable
  141  the reader of stdout is gone

Examples:
  holdfast top
  holdfast top --sort output
  holdfast top -n 1 --json | jq '.[].cpu_percent'
`;
