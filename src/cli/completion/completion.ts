// `holdfast completion`: prints a script for a shell. The script calls the hidden command `__complete` with the words of
// the command line, so that it follows every change of the commands.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import { readChoice } from "../options/values.ts";
import { type Shell, shells } from "./shells.ts";

/** `done` receives the exit code. */
export function addCompletion(program: Command, done: (exitCode: number) => void): void {
  program
    .command("completion")
    .summary("print the completion script of a shell")
    .description(
      "Prints a script that completes commands, flags, tags of processes, signals, contexts and files of the agent.",
    )
    .argument("<shell>", shells.join(", "), readChoice(shells))
    .addHelpText("after", COMPLETION_HELP)
    .action(async (shell: Shell) => {
      const { printScript } = await import("./print-script.ts");
      done(await printScript(shell));
    });
  addConnectionFlags(program.command("__complete", { hidden: true }))
    .argument("[words...]")
    .action(async (words: readonly string[], _flags: object, command: Command) => {
      const { printCandidates } = await import("./print-candidates.ts");
      done(await printCandidates(program, command, words));
    });
}

const COMPLETION_HELP = `
Once for all later shells:
  bash  holdfast completion bash >
        ~/.local/share/bash-completion/completions/holdfast
  zsh   holdfast completion zsh > "\${fpath[1]}/_holdfast"
  fish  holdfast completion fish > ~/.config/fish/completions/holdfast.fish

Exit codes:
  0  done
  2  unknown shell

Examples:
  holdfast completion bash > holdfast.bash && source holdfast.bash
`;
