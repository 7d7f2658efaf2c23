// `holdfast run`: its flags and its help.
import type { Command } from "commander";
import {
  addSessionFlags,
  SESSION_EXIT_CODES,
  SESSION_HELP,
  type SessionFlags,
  urlFlagOf,
} from "../options/session-flags.ts";
import { optionalSetting } from "../options/settings.ts";
import { type DetachedMode, detachedModes, readChoice, readVariable } from "../options/values.ts";

/** As commander names what the flags below yield. */
export interface RunFlags extends SessionFlags {
  readonly pty?: boolean;
  readonly detach?: boolean;
  readonly tag?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly whileDetached?: DetachedMode;
}

/** `done` gets the exit code. */
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
    .option("-t, --pty", "on a terminal of its own")
    .option("-d, --detach", "print its pid and its process_id, and leave it running")
    .option("--tag <tag>", "a name to find it by")
    .option(
      "-e, --env <NAME=value>",
      "set a variable for it; NAME alone passes on the value here",
      readVariable(process.env),
    )
    .option("-w, --cwd <folder>", "where it starts (default: the user's home)")
    .addOption(
      optionalSetting({
        flags: "-u, --user <user>",
        description: "the user to run it as; else the agent's default",
        read: (text) => text,
      }),
    )
    .option("--no-stdin", "it gets /dev/null for stdin")
    .optionsGroup("Output:")
    .addOption(
      optionalSetting({
        flags: "--while-detached <mode>",
        description: "with nobody attached: block, buffer or ring, as serve --help says; else the agent's",
        read: readChoice(detachedModes),
      }),
    );
  addSessionFlags(command)
    .addHelpText("after", RUN_HELP)
    .action(async (words: readonly string[], flags: RunFlags) => {
      const { startProcess } = await import("./start-process.ts");
      done(await startProcess(words, { ...flags, urlFlag: urlFlagOf(command) }));
    });
}

const RUN_HELP = `${SESSION_HELP}
${SESSION_EXIT_CODES}
  126    the command is there but cannot be executed
  127    there is no such command

Examples:
  holdfast run -- make test
  tar c src | holdfast run --cwd /srv -- tar x
  holdfast run --pty --tag shell bash
  holdfast run --detach --tag build --while-detached buffer -- make
  holdfast attach --from 0 build
`;
