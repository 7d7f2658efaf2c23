// The command line: name, version, help, and one file per subcommand. A wrong command line becomes one line on stderr and
// the exit code for usage, never a stack trace. Build scripts import createProgram to describe the commands.

import { constants } from "node:os";
import { Command, CommanderError } from "commander";
import { addConsole } from "./commands/console.ts";
import { addInspect } from "./commands/inspect.ts";
import { addLogs } from "./commands/logs.ts";
import { addPs } from "./commands/ps.ts";
import { addKill, addSignal } from "./commands/signal.ts";
import { addUpgrade } from "./commands/upgrade.ts";
import { addVersion } from "./commands/version.ts";
import { addWait } from "./commands/wait.ts";
import { addCompletion } from "./completion/completion.ts";
import { chooseAgent } from "./connect/choose-agent.ts";
import { addContext } from "./contexts/context.ts";
import { addDoctor } from "./doctor/doctor.ts";
import { exitCodes } from "./exit-codes.ts";
import { addCat } from "./files/cat.ts";
import { addCp } from "./files/cp.ts";
import { addEdit } from "./files/edit.ts";
import { addLs } from "./files/ls.ts";
import { foreignPhrase, unknownCommandMessage } from "./known-words.ts";
import { addGlobalFlags, codeOfOwnFailure } from "./options/agent-flags.ts";
import { dropEmptyVariables, unknownVariables } from "./options/settings.ts";
import { ReaderGoneError, WriteError, writeOut } from "./report/report.ts";
import { addServe } from "./serve/serve.ts";
import { addAttach } from "./session/attach.ts";
import { addRun } from "./session/run.ts";
import { addShell } from "./session/shell.ts";
import { printError } from "./stdio.ts";
import { addSync } from "./sync/sync.ts";
import { addTop } from "./top/top.ts";
import { failWithoutResult } from "./unsettled.ts";
import { version } from "./version.ts";
import { jsonProblem } from "./without-json.ts";

type AddCommand = (
  program: Command,
  done: (exitCode: number) => void,
  run: (words: readonly string[]) => Promise<number>,
) => void;

/** In the order of the help. */
const commands: readonly AddCommand[] = [
  ...[addServe, addRun, addShell, addAttach, addPs, addLogs, addTop, addConsole, addInspect],
  ...[addCp, addLs, addCat, addEdit, addSync],
  ...[addWait, addKill, addSignal, addUpgrade, addContext, addCompletion, addVersion, addDoctor],
];

/**
 * A command that is the first word is the only one that is created: 5 to 15 ms less. doctor needs all of them: it knows every
 * variable.
 */
const byName: Readonly<Record<string, readonly AddCommand[]>> = {
  serve: [addServe],
  ...{ run: [addRun], exec: [addRun], shell: [addShell], attach: [addAttach], ps: [addPs] },
  ...{ logs: [addLogs], top: [addTop], inspect: [addInspect], wait: [addWait], kill: [addKill] },
  ...{ signal: [addSignal], cp: [addCp], ls: [addLs], cat: [addCat], edit: [addEdit] },
  ...{ upgrade: [addUpgrade], context: [addContext], version: [addVersion] },
  // They need none.
  ...{ "--version": [], "-V": [] },
};

/** The exit code of a command that does not settle. */
let unsettledCode: number = exitCodes.crashed;

/** Why no command can run with the arguments of this program. */
let argumentProblem: string | undefined;

/** Runs the command line of this program and returns the exit code. Call it once. `problem`: why it cannot run. */
export function runProgram(argv: readonly string[], problem?: string): Promise<number> {
  argumentProblem = problem;
  failWithoutResult(() => unsettledCode);
  return runCommandLine(argv);
}

/** Runs the command in `argv`, which is like process.argv, and returns the exit code. */
async function runCommandLine(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const first = argv[2] ?? "";
  const only = Object.hasOwn(byName, first) ? byName[first] : undefined;
  const done = (code: number) => {
    exitCode = code;
  };
  dropEmptyVariables(process.env);
  let program = createProgram(done, only);
  // serve warns of variables that no command knows. Most agents have none but those of serve.
  if (first === "serve" && unknownVariables(program, process.env).length > 0) program = createProgram(done);
  try {
    await parse(program, argv);
    return exitCode;
  } catch (error) {
    // Of the commands that call no agent.
    if (error instanceof ReaderGoneError) return exitCodes.interrupted(constants.signals.SIGPIPE);
    if (error instanceof WriteError) {
      printError(error.message);
      return exitCodes.failed;
    }
    // Commander has already printed its line, or the help (exit code 0).
    if (!(error instanceof CommanderError)) throw error;
    // Commander uses 1 for every mistake unless the command chose another code (usageExitsWith).
    return error.exitCode === 1 ? exitCodes.usage : error.exitCode;
  }
}

/** Rejects with a CommanderError after a help, the version, or a mistake, and as writeOut does. */
async function parse(program: Command, argv: readonly string[]): Promise<void> {
  // Commander itself would not notice a full disk, or that the reader is gone.
  const texts: string[] = [];
  for (const command of withSubcommands(program))
    command.configureOutput({ writeOut: (text) => void texts.push(text) });
  try {
    const foreign = foreignPhrase(argv.slice(2), namesOf(program));
    if (foreign !== undefined) program.error(foreign);
    await program.parseAsync(argv);
  } finally {
    if (texts.length > 0) await writeOut(process.stdout, texts.join(""));
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** A mistake that its message does not explain names the help of the command. */
function printMistake(message: string, command: Command): void {
  const mistake = message.replace(/^error: /, "").trimEnd();
  const line = jsonProblem(command.name(), mistake) ?? mistake;
  const isBare = /^(missing required argument|too many arguments|unknown option|required option)/.test(line);
  printError(isBare && !line.includes("Did you mean") ? `${line} (${pathOf(command)} --help)` : line);
}

/** "holdfast context add". */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** The whole command line, by default with all its commands. `done` receives the exit code of the command that `parseAsync` ran. */
export function createProgram(done: (exitCode: number) => void, added = commands): Command {
  // Subcommands created with `.command()` inherit these settings, so they come before the first one.
  const program = addGlobalFlags(new Command("holdfast"))
    .description(
      "The agent inside a sandbox, and its command line. The agent runs processes and terminals for clients outside " +
        "the sandbox, and serves its files. No output is lost or duplicated, and a client that disconnects never " +
        "kills a process.",
    )
    .version(version(), "-V, --version", "version")
    .helpOption("-h, --help", "this help")
    .helpCommand("help [command]", "help of a command")
    // `holdfast run ls -l` then needs no "--": options after the command belong to the command.
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", PROGRAM_HELP);
  for (const addCommand of added) addCommand(program, done, runWords);
  for (const command of withSubcommands(program))
    command.configureOutput({ outputError: (message) => printMistake(message, command) });
  return program
    .hook("preAction", (_, command) => {
      unsettledCode = codeOfOwnFailure(command) ?? exitCodes.crashed;
      if (argumentProblem !== undefined) command.error(argumentProblem);
      return chooseAgent(command, program, process.env);
    })
    .on("command:*", (words: readonly string[], unknown: readonly string[]) =>
      program.error(unknownCommandMessage([...words, ...unknown], namesOf(program))),
    );
}

/** For a command that runs another one, with the exit code of that. */
function runWords(words: readonly string[]): Promise<number> {
  return runCommandLine(["node", "holdfast", ...words]);
}

function namesOf(program: Command): string[] {
  return program.commands
    .filter((command) => !command.name().startsWith("__"))
    .flatMap((command) => [command.name(), ...command.aliases()]);
}

const PROGRAM_HELP = `
Examples:
  holdfast serve                 run the agent on 127.0.0.1:49983
  holdfast run -- make test      run a command in the sandbox
  holdfast shell                 a shell that outlives the connection
  holdfast --url HOST:PORT ps    the processes of another agent
  holdfast help run              all options

Most commands call the agent at --url or HOLDFAST_URL, or that of the context in
use (holdfast help context).
`;
