// `holdfast ls`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import { addUserFlag } from "./file-flags.ts";
import type { LsFlags } from "./list-files.ts";

/** `done` receives the exit code. */
export function addLs(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("ls")
    .summary("list files of the agent")
    .description("Lists directories and files of the agent, sorted by name.")
    .argument("[path...]", 'path on the agent, which begins with ":" (default: the home)')
    .option("-l, --long", "permissions, owner, group, size, time and target of links")
    .option("-a, --all", "also names that begin with a dot");
  addUserFlag(command).option("--json", "one JSON array of all entries instead of the names");
  addConnectionFlags(command)
    .addHelpText("after", LS_HELP)
    .action(async (paths: readonly string[], flags: LsFlags) => {
      const { listFiles } = await import("./list-files.ts");
      done(await listFiles(paths, flags));
    });
}

const LS_HELP = `
Exit codes:
  0    done
  1    no agent, no such file, or it is refused
  2    bad argument, option or variable
  141  the reader of stdout is gone

Examples:
  holdfast ls
  holdfast ls -la :/etc
  holdfast ls --json :/app | jq -r '.[] | select(.size > 1000000).path'
`;
