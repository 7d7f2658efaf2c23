// `holdfast shell`: its flags and its help.

import type { Command } from "commander";
import { addSessionFlags, SESSION_EXIT_CODES, SESSION_HELP } from "../options/session-flags.ts";
import { readText } from "../options/values.ts";
import { addCommandFlags } from "./command-flags.ts";
import type { ShellFlags } from "./open-shell.ts";

/** `done` receives the exit code. */
export function addShell(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("shell")
    .summary("return to a shell, or start one")
    .description(
      "Attaches to the running terminal with this name. If there is none, starts a login shell with this name on a " +
        "terminal, as with `holdfast run -it --name NAME`.",
    )
    .argument("[name]", "tag of the terminal", readText, "shell")
    .optionsGroup("A new shell:")
    .option("--shell <command>", "program to start (default: bash, else sh)");
  addCommandFlags(command).optionsGroup("Output:");
  addSessionFlags(command)
    .addHelpText("after", SHELL_HELP)
    .action(async (name: string, flags: ShellFlags) => {
      const { openShell } = await import("./open-shell.ts");
      done(await openShell(name, flags));
    });
}

const SHELL_HELP = `${SESSION_HELP}
${SESSION_EXIT_CODES}
  126    the shell exists but cannot be executed
  127    the shell does not exist

Examples:
  holdfast shell
  holdfast shell --user nobody --cwd /srv debug
`;
