// `holdfast sync`: its flags and its help.

import { type Command, Option } from "commander";
import { addUserFlag, excludeFlag } from "../files/file-flags.ts";
import { addConnectionFlags, giveUpSetting } from "../options/agent-flags.ts";
import type { SyncFlags } from "./synchronize.ts";

/** `done` receives the exit code. */
export function addSync(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("sync")
    .summary("copy the changes of a directory, once or continuously")
    .description(
      "Copies the new and changed files of a directory into another one: from this machine to the agent, or back. " +
        'The path on the agent begins with ":".',
    )
    .argument("<source>", "DIR or :DIR")
    .argument("<target>", "the other one; it is created if it is missing")
    .option("-w, --watch", "copy each later change also, until Ctrl-C")
    .option("--delete", "remove files that the source does not have")
    .option("-f, --force", "overwrite files that have changed in the target")
    .addOption(excludeFlag())
    .addOption(
      new Option("--links <rule>", "links that can lead out of a directory: refuse, skip or keep")
        .choices(["refuse", "skip", "keep"])
        .default("refuse"),
    );
  addUserFlag(command)
    .option("--json", "one JSON object per event on stdout")
    .optionsGroup("Connection:")
    .addOption(giveUpSetting());
  addConnectionFlags(command)
    .addHelpText("after", SYNC_HELP)
    .action(async (source: string, target: string, flags: SyncFlags) => {
      const { synchronize } = await import("./synchronize.ts");
      done(await synchronize(source, target, flags));
    });
}

const SYNC_HELP = `
The content of the source goes into the target. Files count as the same if size,
permissions and the second of their last change are equal; if these do not
decide, their content is compared.

A file that is newer in the target, or has changed there while --watch runs,
is a conflict: it is reported, and stays as it is. --force overwrites it.

Prints "+ PATH" for each copied file and "- PATH" for each removed one.

Exit codes:
  0      done
  1      no agent, no such directory, something is refused, or a conflict
  2      bad argument, option or variable
  128+N  signal N ended it
  141    the reader of stdout is gone

Examples:
  holdfast sync --watch --exclude node_modules . :project
  holdfast sync --delete dist :/srv/www
  holdfast sync :results results
`;
