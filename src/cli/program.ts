// The command line as a whole: name, version, help, and one file per subcommand. Whatever is wrong with it becomes one
// line on stderr and the exit code for usage, never a stack trace.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { exitCodes } from "./exit-codes.ts";
import { addServe } from "./serve.ts";
import { dropEmptyVariables } from "./settings.ts";
import { printError } from "./stdio.ts";

/** Runs what `argv` (as in process.argv) asks for and returns the exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram();
  addServe(program, (code) => {
    exitCode = code;
  });
  dropEmptyVariables(process.env);
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    // Commander has already written its line, or the help that was asked for (exit code 0).
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    throw error;
  }
}

function createProgram(): Command {
  // Subcommands made with `.command()` take these settings over: they come before the first one.
  return new Command("holdfast")
    .description(
      "The agent inside a sandbox. It runs processes and terminals for clients outside it, over Connect and gRPC: " +
        "their output is never lost or doubled, and a client that goes away never kills or freezes anything.",
    )
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureOutput({ outputError: (message) => printError(message.replace(/^error: /, "")) })
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", PROGRAM_HELP);
}

const PROGRAM_HELP = `
Examples:
  holdfast serve         run the agent on 127.0.0.1:49983
  holdfast help serve    all that can be set
`;

/** The package's, two folders up from here in src/ and in dist/. */
function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
