// `holdfast run`: its flags and its help.

import type { Command } from "commander";
import { DETACHED_MODES } from "../../process/defaults.ts";
import { addSessionFlags, SESSION_EXIT_CODES, SESSION_HELP } from "../options/session-flags.ts";
import { optionalSetting } from "../options/settings.ts";
import { readChoice, readVariable } from "../options/values.ts";
import type { RunFlags } from "./start-process.ts";

/** `done` receives the exit code. */
export function addRun(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("run")
    .summary("run a command, as if it ran here")
    .description("Runs a command where the agent is, as if it ran here.")
    .usage("[options] [--] COMMAND [ARGUMENT...]")
    .argument("<command...>")
    .configureHelp({ visibleArguments: () => [] })
    .passThroughOptions()
    .optionsGroup("Command:")
    .option("-t, --pty", "terminal for the command")
    .option("-d, --detach", "no waiting: prints its pid and its process_id")
    .option("--tag <tag>", "name to find the process by")
    .option(
      "-e, --env <NAME=value>",
      "variable of the command; NAME alone copies its value",
      readVariable(process.env),
    )
    .option("-w, --cwd <folder>", "working directory (default: the user's home)")
    .addOption(
      optionalSetting({
        flags: "-u, --user <user>",
        description: "user of the command (default: the agent's)",
        read: (text) => text,
      }),
    )
    .option("--no-stdin", "/dev/null as stdin")
    .optionsGroup("Output:")
    .addOption(
      optionalSetting({
        flags: "--while-detached <mode>",
        description: `${DETACHED_MODES.join(", ")} (default: serve --detached)`,
        read: readChoice(DETACHED_MODES),
      }),
    );
  addSessionFlags(command)
    .addHelpText("after", RUN_HELP)
    .action(async (words: readonly string[], flags: RunFlags) => {
      const { startProcess } = await import("./start-process.ts");
      done(await startProcess(words, flags));
    });
}

const RUN_HELP = `${SESSION_HELP}
${SESSION_EXIT_CODES}
  126    the command exists but cannot be executed
  127    the command does not exist

Examples:
  holdfast run -- make test
  tar c src | holdfast run --cwd /srv -- tar x
  holdfast run --pty --tag shell bash
  holdfast run --detach --tag build --while-detached buffer -- make
  holdfast attach --from 0 build
`;
