// `holdfast cp`: its flags and its help.

import { type Command, Option } from "commander";
import type { CpFlags } from "../copy/copy-files.ts";
import { addConnectionFlags, giveUpSetting } from "../options/agent-flags.ts";
import { addUserFlag, excludeFlag } from "./file-flags.ts";

/** `done` receives the exit code. */
export function addCp(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("cp")
    .summary("copy files and directories")
    .description(
      'Copies between this machine and the agent. A path on the agent begins with ":"; relative ones are in the home of the ' +
        'user there. "-" is stdin or stdout.',
    )
    .usage("[options] <source...> <target>")
    .argument("<path...>", "PATH, :PATH or -; the last one is the target")
    .option("-r, --recursive", "no effect: directories are always copied completely")
    .addOption(excludeFlag())
    .addOption(
      new Option("--links <rule>", "links that can lead out of a directory: refuse, skip or keep")
        .choices(["refuse", "skip", "keep"])
        .default("refuse"),
    );
  addUserFlag(command)
    .option("--json", "one JSON object per copied source on stdout")
    .optionsGroup("Connection:")
    .addOption(giveUpSetting());
  addConnectionFlags(command)
    .addHelpText("after", CP_HELP)
    .action(async (paths: readonly string[], flags: CpFlags) => {
      if (paths.length < 2) command.error("missing required argument 'target'");
      const { copyFiles } = await import("../copy/copy-files.ts");
      done(await copyFiles(paths, flags));
    });
}

const CP_HELP = `
The target, as with cp, docker cp and scp:
  an existing directory  gets the source under its own name; of a source that
                         ends in "/.", only the content
  an existing file       is replaced
  a new name             is created, in a directory that exists

Permissions are kept, and for directories also times and links. A link given
as a source is followed; links in a directory stay links. New files on the
agent belong to --user, here to the user of this command.

If the connection is lost, the copy continues where it stopped. A download
replaces its target when it is complete.

Exit codes:
  0      done
  1      something was not copied: no agent, no such file, or it is refused
  2      bad argument, option or variable
  128+N  signal N ended it; incomplete files are not created
  141    the reader of stdout is gone

Examples:
  holdfast cp report.pdf :            into the home on the agent
  holdfast cp :/var/log/app.log .
  holdfast cp --exclude node_modules src :/app
  tar c . | holdfast cp - :backup.tar
  holdfast cp :/etc/hosts - | grep localhost
`;
