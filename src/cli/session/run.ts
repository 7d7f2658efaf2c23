// `holdfast run`, which is also `exec`: its flags and its help.

import { type Command, InvalidArgumentError, Option } from "commander";
import { DETACHED_MODES } from "../../process/defaults.ts";
import { addSessionFlags, SESSION_EXIT_CODES, SESSION_HELP } from "../options/session-flags.ts";
import { optionalSetting } from "../options/settings.ts";
import { readChoice, readDurationMs, readText } from "../options/values.ts";
import { addCommandFlags } from "./command-flags.ts";
import type { RunFlags } from "./start-process.ts";

/** `done` receives the exit code. */
export function addRun(program: Command, done: (exitCode: number) => void): void {
  const command = program
    .command("run")
    .alias("exec")
    .summary("run a command, as if it ran here")
    .description("Runs a command where the agent is, as if it ran here. `holdfast exec` is the same.")
    .argument("<command...>")
    .configureHelp({
      visibleArguments: () => [],
      commandUsage: () => "holdfast run [options] [--] COMMAND [ARGUMENT...]",
    })
    .passThroughOptions()
    .optionsGroup("Command:")
    .option("-i, --interactive", "sends stdin to the command (default: /dev/null)")
    .option("-t, --pty", "terminal for the command; on a terminal also -i")
    .addOption(new Option("--tty", "the same as --pty").hideHelp())
    .option("-d, --detach", "only start it, and print its pid and process_id")
    .option("--tag <tag>", "name to find the process by", readText)
    .addOption(new Option("--name <tag>", "the same as --tag").argParser(readText).hideHelp());
  addCommandFlags(command)
    .option("--timeout <duration>", "time after which the command is killed", readTimeLimit)
    .option("--rm", "no result is kept once a client has received it")
    .option("--no-stdin", "no input, also with -t")
    .optionsGroup("Output:")
    .addOption(
      optionalSetting({
        flags: "--while-detached <mode>",
        description: `${DETACHED_MODES.join(", ")} (default: buffer; with -t or -d: ring)`,
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

function readTimeLimit(text: string): number {
  const limitMs = readDurationMs(text);
  if (limitMs > 0) return limitMs;
  throw new InvalidArgumentError("A time limit is above 0; leave it out for no limit.");
}

const RUN_HELP = `${SESSION_HELP}

While no client is attached (--while-detached):
  block   the process waits once its pipe is full
  buffer  the agent keeps the output until its buffer is full; then as block
  ring    the process never waits; the agent keeps the newest output
${SESSION_EXIT_CODES}
  126    the command exists but cannot be executed
  127    the command does not exist

Examples:
  holdfast run -- make test
  tar c src | holdfast run -i --cwd /srv -- tar x
  holdfast run -it --name shell bash
  holdfast run --detach --retain 1h --tag build -- make
  holdfast attach --from 0 build
`;
