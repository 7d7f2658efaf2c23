// `holdfast serve`: its flags, its help, and the settings they become. Loads the agent only when it runs: the help needs
// neither Connect nor koffi.

import { constants } from "node:os";
import { type Command, Option } from "commander";
import type { AgentOutcome, AgentSettings } from "../../agent/index.ts";
import type { Inheritance } from "../../handover/index.ts";
import { exitCodes } from "../exit-codes.ts";
import { unknownVariables } from "../options/settings.ts";
import { blockingSockets, endAfterFlush, neverWaitForTerminals, printError } from "../stdio.ts";
import { version } from "../version.ts";
import { type AccessFlags, accessSettings, addAccessFlags } from "./access-flags.ts";
import { addCommandFlags, COMMAND_FLAGS_HELP, type CommandFlags, commandSettings } from "./command-flags.ts";
import { addConsoleFlags, type ConsoleFlags, consoleSettings } from "./console-flags.ts";
import { addFileFlags, type FileFlags, fileSettings } from "./file-flags.ts";
import { addLimitFlags, type LimitFlags, limitSettings } from "./limit-flags.ts";
import { addListeningFlags, type ListeningFlags, listenAddresses } from "./listening-flags.ts";
import { addLogFlags, type LogFlags } from "./log-flags.ts";
import { addMemoryFlags, type MemoryFlags } from "./memory-flags.ts";
import {
  addOutputFlags,
  addProcessFlags,
  OUTPUT_FLAGS_HELP,
  type OutputFlags,
  type ProcessFlags,
} from "./output-flags.ts";

/** The state from the image before this one; see src/handover/images.ts. */
const STATE_VARIABLE = "HOLDFAST_STATE";

/** As commander names the values of the flags. */
type ServeFlags = ListeningFlags &
  AccessFlags &
  ConsoleFlags &
  ProcessFlags &
  OutputFlags &
  LimitFlags &
  MemoryFlags &
  CommandFlags &
  FileFlags &
  LogFlags & { readonly rehearse?: boolean };

/** `done` receives the exit code once the agent has stopped, or could not start. */
export function addServe(program: Command, done: (exitCode: number) => void): void {
  const serve = program
    .command("serve")
    .summary("run the agent until SIGTERM or Ctrl-C")
    .description(
      'Runs the agent until SIGTERM or Ctrl-C. Prints one line to stdout when it is ready, "holdfast listening on ' +
        'http://HOST:PORT", and its log to stderr.',
    );
  for (const addFlags of [
    addListeningFlags,
    addAccessFlags,
    addConsoleFlags,
    addProcessFlags,
    addOutputFlags,
    addCommandFlags,
    addFileFlags,
    addLimitFlags,
    addMemoryFlags,
    addLogFlags,
  ])
    addFlags(serve);
  serve
    .optionsGroup("Other:")
    // For src/handover: a version that does not know it refuses it.
    .addOption(new Option("--rehearse", "try to continue the agent whose state is on stdin").hideHelp())
    .addHelpText("after", SERVE_HELP)
    .action(async (flags: ServeFlags, command: Command) => {
      // First: from here on, a failure gives the agent back to the image that left it.
      const inheritance = await takeInherited(process.env);
      const settings = await agentSettings(flags, program, command);
      const [{ runAgent }, { endWithoutThreads }] = await Promise.all([
        import("../../agent/index.ts"),
        import("../../linux/index.ts"),
      ]);
      endWithoutThreads(blockingSockets());
      neverWaitForTerminals();
      done(exitCodeOf(await runAgent(settings, crashExits, inheritance)));
    });
}

async function takeInherited(env: NodeJS.ProcessEnv): Promise<Inheritance | undefined> {
  if (env[STATE_VARIABLE] === undefined) return undefined;
  const { takeInheritance } = await import("../../handover/index.ts");
  return takeInheritance(env);
}

/** Takes from process.env what the agent must not inherit: the token and the sockets of systemd. */
async function agentSettings(flags: ServeFlags, program: Command, command: Command): Promise<AgentSettings> {
  return {
    addresses: await listenAddresses(flags, process.env),
    access: accessSettings(flags, process.env, command),
    console: consoleSettings(flags, command),
    limits: limitSettings(flags),
    commands: commandSettings(flags),
    files: fileSettings(flags),
    drainTimeoutMs: flags.drainTimeout,
    shutdownGraceMs: flags.shutdownGrace,
    output: {
      detached: flags.detached,
      detachedBufferBytes: flags.detachedBuffer,
      replayBytes: flags.replay,
    },
    memoryBudgetBytes: flags.memoryBudget,
    stallMs: flags.stallTimeout,
    retainEndedMs: flags.retainEnded,
    pageOut: flags.pageOut,
    envdVersion: flags.envdVersion,
    log: { level: flags.logLevel, format: flags.logFormat },
    logCommands: flags.logCommands ?? false,
    version: version(),
    rehearses: flags.rehearse ?? false,
    unknownVariables: unknownVariables(program, process.env),
  };
}

const crashExits = {
  afterFlush: () => void endAfterFlush(exitCodes.crashed),
  now: () => process.exit(exitCodes.crashed),
};

function exitCodeOf(outcome: AgentOutcome): number {
  switch (outcome.kind) {
    case "stopped":
      return exitCodes.done;
    case "failed":
      printError(outcome.message);
      return exitCodes.failed;
    case "stuck":
      return exitCodes.failed;
    case "interrupted":
      return exitCodes.interrupted(constants.signals[outcome.signal]);
  }
}

const SERVE_HELP = `
The variable after "env:" also sets the option; the option on the command line
wins. A duration is a number with a unit: 200ms, 1.5s, 2m, 1h. A size is a
number with a unit: 512KiB, 64MiB, 1GiB. Sockets passed by systemd replace
--host, --port and --listen.
${OUTPUT_FLAGS_HELP}${COMMAND_FLAGS_HELP}
Stopping:
  SIGTERM, SIGINT, SIGQUIT and SIGHUP stop the agent: it accepts no new streams,
  sends SIGHUP to processes on terminals and SIGTERM to all, sends SIGKILL to
  those that remain after the grace period, and delivers their output. A second
  signal, at least half a second after the first, kills everything at once.
  SIGUSR2 replaces the agent, as \`holdfast upgrade\` does.

Exit codes:
  0      stopped
  1      could not start, or a killed process did not end
  2      bad option or variable
  70     crashed and could not continue
  128+N  stopped at once by a second signal, number N

Examples:
  holdfast serve
  holdfast serve --port 0 --log-format pretty
  HOLDFAST_ACCESS_TOKEN_FILE=/run/secrets/token holdfast serve --host ::
  holdfast serve --listen unix:/run/holdfast.sock --socket-mode 0660
`;
