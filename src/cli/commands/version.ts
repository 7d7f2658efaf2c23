// `holdfast version`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import type { VersionFlags } from "./show-versions.ts";

/** `done` receives the exit code. */
export function addVersion(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("version")
    .summary("print the version of this command and of the agent")
    .description("Prints the version of this command, and of the agent that it calls.")
    .option("--client", "only this command's, without calling an agent")
    .option("--json", "one JSON object instead of lines");
  addConnectionFlags(command)
    .addHelpText("after", VERSION_HELP)
    .action(async (flags: VersionFlags) => {
      const { showVersions } = await import("./show-versions.ts");
      done(await showVersions(flags));
    });
}

const VERSION_HELP = `
Exit codes:
  0    done
  1    no agent: only this command's version is printed
  2    bad option or variable
  141  the reader of stdout is gone

Examples:
  holdfast version
  holdfast version --client
`;
