// The command line: name, version, help, and one file per subcommand. A wrong command line becomes one line on stderr and
// the exit code for usage, never a stack trace.

import { Command, CommanderError } from "commander";
import { addLogs } from "./commands/logs.ts";
import { addPs } from "./commands/ps.ts";
import { addKill, addSignal } from "./commands/signal.ts";
import { addWait } from "./commands/wait.ts";
import { addDoctor } from "./doctor/doctor.ts";
import { exitCodes } from "./exit-codes.ts";
import { dropEmptyVariables } from "./options/settings.ts";
import { addServe } from "./serve/serve.ts";
import { addAttach } from "./session/attach.ts";
import { addRun } from "./session/run.ts";
import { addShell } from "./session/shell.ts";
import { printError } from "./stdio.ts";
import { version } from "./version.ts";

/** In the order of the help. */
const commands = [
  ...[addServe, addRun, addShell, addAttach, addPs, addLogs],
  ...[addWait, addKill, addSignal, addDoctor],
];

/** Runs the command in `argv`, which is like process.argv, and returns the exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram();
  const done = (code: number): void => {
    exitCode = code;
  };
  for (const addCommand of commands) addCommand(program, done);
  dropEmptyVariables(process.env);
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    // Commander has already printed its line, or the help (exit code 0).
    if (!(error instanceof CommanderError)) throw error;
    // Commander uses 1 for every mistake unless the command chose another code (usageExitsWith).
    return error.exitCode === 1 ? exitCodes.usage : error.exitCode;
  }
}

function createProgram(): Command {
  // Subcommands created with `.command()` inherit these settings, so they come before the first one.
  return (
    new Command("holdfast")
      .description(
        "The agent inside a sandbox, and its command line. The agent runs processes and terminals for clients outside " +
          "the sandbox, over Connect and gRPC. No output is lost or duplicated, and a client that disconnects never " +
          "kills a process.",
      )
      .version(version(), "-V, --version", "version")
      .helpOption("-h, --help", "this help")
      .helpCommand("help [command]", "help of a command")
      // `holdfast run ls -l` then needs no "--": options after the command belong to the command.
      .enablePositionalOptions()
      .exitOverride()
      .configureOutput({ outputError: (message) => printError(message.replace(/^error: /, "")) })
      .configureHelp({ subcommandTerm: (command) => command.name() })
      .addHelpText("after", PROGRAM_HELP)
  );
}

const PROGRAM_HELP = `
Examples:
  holdfast serve                 run the agent on 127.0.0.1:49983
  holdfast run -- make test      run a command there, as if it ran here
  holdfast shell                 a shell that outlives the connection
  holdfast help run              all options

All commands except serve and doctor call the agent at --url or HOLDFAST_URL.
`;
