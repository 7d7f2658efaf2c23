// `holdfast cat`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags, giveUpSetting } from "../options/agent-flags.ts";
import { addUserFlag } from "./file-flags.ts";
import type { CatFlags } from "./print-files.ts";

/** `done` receives the exit code. */
export function addCat(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("cat")
    .summary("print files of the agent")
    .description("Prints the content of files of the agent, byte for byte, one after the other.")
    .argument("<path...>", 'path on the agent, which begins with ":"');
  addUserFlag(command).optionsGroup("Connection:").addOption(giveUpSetting());
  addConnectionFlags(command)
    .addHelpText("after", CAT_HELP)
    .action(async (paths: readonly string[], flags: CatFlags) => {
      const { printFiles } = await import("./print-files.ts");
      done(await printFiles(paths, flags));
    });
}

const CAT_HELP = `
If the connection is lost, the output continues at the next byte. A file that
changes meanwhile is an error: bytes of two versions are never mixed.

Exit codes:
  0    done
  1    no agent, no such file, or it is refused
  2    bad argument, option or variable
  141  the reader of stdout is gone

Examples:
  holdfast cat :/etc/os-release
  holdfast cat :part1 :part2 > whole
`;
