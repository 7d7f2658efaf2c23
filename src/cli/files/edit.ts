// `holdfast edit`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags, giveUpSetting } from "../options/agent-flags.ts";
import type { EditFlags } from "./edit-file.ts";
import { addUserFlag } from "./file-flags.ts";

/** `done` receives the exit code. */
export function addEdit(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("edit")
    .summary("edit a file of the agent")
    .description(
      "Opens a file of the agent in your editor, and stores it when the editor ends. A missing file is created.",
    )
    .argument("<path>", 'path on the agent, which begins with ":"');
  addUserFlag(command).optionsGroup("Connection:").addOption(giveUpSetting());
  addConnectionFlags(command)
    .addHelpText("after", EDIT_HELP)
    .action(async (path: string, flags: EditFlags) => {
      const { editFile } = await import("./edit-file.ts");
      done(await editFile(path, flags));
    });
}

const EDIT_HELP = `
The editor is VISUAL, else EDITOR, else vi. It gets a copy of the file.

Nothing is stored if the content is the same, or if the editor fails. If the
file has changed on the agent meanwhile, or cannot be stored, it stays as it
is, and your copy is kept: the message names its path.

Exit codes:
  0    stored, or nothing to store
  1    not stored: no agent, no editor, the file has changed or is refused
  2    bad argument, option or variable

Examples:
  holdfast edit :/etc/hosts
  EDITOR='code --wait' holdfast edit :app/main.py
`;
