// The flags that commands about files share. Loads no client: the help needs only the flags.

import { type Command, InvalidArgumentError, Option } from "commander";
import { lengthProblem } from "../../text.ts";
import { readText } from "../options/values.ts";

/** The agent's limits. */
const MAX_GLOBS = 64;
const MAX_GLOB_LENGTH = 256;

export function addUserFlag(command: Command): Command {
  return command.option(
    "-u, --user <user>",
    "owner of new files; relative paths begin at its home",
    readText,
  );
}

export function excludeFlag(): Option {
  return new Option("--exclude <glob>", "names or paths to leave out; may be repeated")
    .argParser(readGlob)
    .default([], "none");
}

function readGlob(text: string, earlier: readonly string[] = []): string[] {
  const problem = lengthProblem(text, { most: MAX_GLOB_LENGTH });
  if (problem !== undefined)
    throw new InvalidArgumentError(`The glob ${problem}: node_modules, *.tmp, build/**.`);
  if (earlier.length >= MAX_GLOBS) throw new InvalidArgumentError(`At most ${MAX_GLOBS} globs are allowed.`);
  return [...earlier, text];
}
