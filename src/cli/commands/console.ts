// `holdfast console`: its flags and its help.

import type { Command } from "commander";
import { addConnectionFlags } from "../options/agent-flags.ts";
import { readText } from "../options/values.ts";
import type { ConsoleLinkFlags } from "./console-link.ts";

/** `done` receives the exit code. */
export function addConsole(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("console")
    .summary("print a link to the agent's web console")
    .description(
      "Prints a link that opens the agent's web console in a browser, without a token to paste. The link works once, " +
        "within a minute; the page then has access for twelve hours, or until the agent ends. The agent must run with " +
        "serve --console.",
    )
    .option("--read-only", "the page can only look; the agent enforces it")
    .option("--process <selector>", "only this process: pid, tag or process_id", readText)
    .option("--json", "one JSON object instead of the link");
  addConnectionFlags(command)
    .addHelpText("after", CONSOLE_HELP)
    .action(async (flags: ConsoleLinkFlags) => {
      const { printConsoleLink } = await import("./console-link.ts");
      done(await printConsoleLink(flags));
    });
}

const CONSOLE_HELP = `
The address in the link is that of --url. A browser on another machine needs an
address that it can reach, for example through ssh -L 49983:127.0.0.1:49983.

Exit codes:
  0    done
  1    no agent, no console there, or the token may not do this
  2    bad option or variable
  141  the reader of stdout is gone

Examples:
  holdfast console
  holdfast console --read-only --process build
  xdg-open "$(holdfast console)"
`;
