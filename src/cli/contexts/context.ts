// `holdfast context`: names for agents. Its flags and its help.

import { type Command, InvalidArgumentError } from "commander";
import { readText, readUrl } from "../options/values.ts";
import type { AddFlags, JsonFlag } from "./change-contexts.ts";

const NAME = "name of a context";

/** `done` receives the exit code. */
export function addContext(program: Command, done: (exitCode: number) => void): void {
  const context = program
    .command("context")
    .summary("name agents and choose one of them")
    .description(
      "Names agents, so that a command reaches one by its name. The names are kept in one file, " +
        "$XDG_CONFIG_HOME/holdfast/config.json (default: ~/.config). HOLDFAST_URL wins over the context in use, --context " +
        "wins over both.",
    )
    .helpCommand(false)
    .addHelpText("after", CONTEXT_HELP);
  context
    .command("add")
    .summary("add a context, or replace it")
    .description("Adds a context, or replaces the one of that name.")
    .argument("<context>", NAME, readName)
    .requiredOption("--url <url>", "agent: http(s)://HOST:PORT, HOST:PORT or unix:/PATH", readUrl)
    .option("--access-token-file <file>", "file with its access token", readText)
    .option("--ca <file>", "PEM certificates to check the agent's with, for https", readText)
    .option("--use", "use it from now on")
    .option("--json", "one JSON object: the context")
    .addHelpText("after", examples("holdfast context add prod --url https://agent.example.com --use"))
    .action(async (name: string, flags: AddFlags) => {
      const { addNamed } = await import("./change-contexts.ts");
      done(await addNamed(name, flags));
    });
  context
    .command("use")
    .summary("use a context from now on")
    .description('Uses a context from now on; "default" uses none.')
    .argument("<context>", NAME)
    .option("--json", "one JSON object: the context in use")
    .addHelpText("after", examples("holdfast context use prod"))
    .action(async (name: string, flags: JsonFlag) => {
      const { useNamed } = await import("./change-contexts.ts");
      done(await useNamed(name, flags));
    });
  context
    .command("ls")
    .summary("list contexts")
    .description("Lists the contexts; * marks the one in use.")
    .option("--json", "one JSON array instead of a table")
    .addHelpText("after", examples("holdfast context ls"))
    .action(async (flags: JsonFlag) => {
      const { listNamed } = await import("./change-contexts.ts");
      done(await listNamed(flags));
    });
  context
    .command("rm")
    .summary("remove a context")
    .description("Removes contexts. The agents and their token files stay.")
    .argument("<context...>", NAME)
    .option("--json", "one JSON object per removed context")
    .addHelpText("after", examples("holdfast context rm prod"))
    .action(async (names: readonly string[], flags: JsonFlag) => {
      const { removeNamed } = await import("./change-contexts.ts");
      done(await removeNamed(names, flags));
    });
}

/** Not `default`, which means no context. Nothing that a shell would change. */
function readName(text: string): string {
  if (/^[\w][\w.@-]{0,63}$/.test(text) && text !== "default") return text;
  throw new InvalidArgumentError(
    'A name has 1 to 64 letters, digits, ".", "-", "_" or "@", and is not "default".',
  );
}

const EXIT_CODES = `
Exit codes:
  0  done
  1  no such context, or the file cannot be read or written
  2  bad argument or option
`;

function examples(...lines: readonly string[]): string {
  return `${EXIT_CODES}\nExamples:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

const CONTEXT_HELP = examples(
  "holdfast context add prod --url https://agent.example.com",
  "holdfast context use prod",
  "holdfast --context prod ps",
);
