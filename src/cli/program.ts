// The command line as a whole: name, version, help, and one file per subcommand. Whatever is wrong with it becomes one
// line on stderr and the exit code for usage, never a stack trace.
import { Command, CommanderError } from "commander";
import { addLogs } from "./commands/logs.ts";
import { addPs } from "./commands/ps.ts";
import { addSignal } from "./commands/signal.ts";
import { addDoctor } from "./doctor/doctor.ts";
import { exitCodes } from "./exit-codes.ts";
import { dropEmptyVariables } from "./options/settings.ts";
import { addServe } from "./serve/serve.ts";
import { addAttach } from "./session/attach.ts";
import { addRun } from "./session/run.ts";
import { printError } from "./stdio.ts";
import { version } from "./version.ts";

/** Runs what `argv` (as in process.argv) asks for and returns the exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram();
  const done = (code: number): void => {
    exitCode = code;
  };
  for (const addCommand of [addServe, addRun, addAttach, addPs, addLogs, addSignal, addDoctor])
    addCommand(program, done);
  dropEmptyVariables(process.env);
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    // Commander has already written its line, or the help that was asked for (exit code 0).
    if (!(error instanceof CommanderError)) throw error;
    // 1 is Commander's for any mistake, if the command chose none (usageExitsWith).
    return error.exitCode === 1 ? exitCodes.usage : error.exitCode;
  }
}

function createProgram(): Command {
  // Subcommands made with `.command()` take these settings over: they come before the first one.
  return (
    new Command("holdfast")
      .description(
        "The agent inside a sandbox, and its command line. The agent runs processes and terminals for clients outside " +
          "it, over Connect and gRPC: their output is never lost or doubled, and a client that goes away never kills or " +
          "freezes anything.",
      )
      .version(version(), "-V, --version", "print the version")
      .helpOption("-h, --help", "print this help")
      .helpCommand("help [command]", "print the help of a command")
      // So that `holdfast run ls -l` needs no "--": what follows the command is the command's.
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
  holdfast run --pty bash        a shell that outlives the connection
  holdfast help run              all that can be set

The other commands find the agent by --url or HOLDFAST_URL.
`;
