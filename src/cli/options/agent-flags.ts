// The flags of every command that calls an agent: which agent, and how. The same flags before the command are on the
// program. connect/choose-agent.ts decides between them, the variables and the contexts. Does not load the client: the
// help needs only the flags.

import type { Command, Option } from "commander";
import { AGENT_PORT } from "../../client/agent-address.ts";
import { optionalSetting, setting } from "./settings.ts";
import { readDurationMs, readText, readUrl } from "./values.ts";

/** As commander names the values of the flags. */
export interface UrlFlag {
  /** The address of the chosen agent, also if a context or a variable named it. */
  readonly url: string;
}

/** The help text of the argument SELECTOR. */
export const SELECTOR = "pid, tag (its newest process) or process_id";

const DEFAULT_URL = `http://127.0.0.1:${AGENT_PORT}`;

const URL_FLAG = {
  flags: "--url <url>",
  description: "agent: http(s)://HOST:PORT, HOST:PORT or unix:/PATH",
  read: readUrl,
};

const otherFlags = [
  { flags: "--context <name>", description: "agent that `holdfast context add` named", read: readText },
  { flags: "--access-token-file <file>", description: "file with the agent's access token", read: readText },
  {
    flags: "--ca <file>",
    description: "PEM certificates to check the agent's with, for https",
    read: readText,
  },
];

const QUIET = "no notices on stderr, only errors";

const commandsOfAgents = new WeakSet<Command>();

export interface ConnectionFlagsOptions {
  /** The command has a -q of its own. */
  readonly ownQuiet?: boolean;
}

/** Adds the group "Connection:" and leaves the command in the group "Other:". */
export function addConnectionFlags(
  command: Command,
  { ownQuiet = false }: ConnectionFlagsOptions = {},
): Command {
  commandsOfAgents.add(command);
  command.optionsGroup("Connection:").addOption(setting({ ...URL_FLAG, fallback: DEFAULT_URL }));
  for (const flag of otherFlags) command.addOption(optionalSetting(flag));
  command.optionsGroup("Other:");
  return ownQuiet ? command : command.option("-q, --quiet", QUIET);
}

/** Whether `command` has the flags of addConnectionFlags. */
export function callsAgent(command: Command): boolean {
  return commandsOfAgents.has(command);
}

/** The same flags before the command. Their variables belong to the commands, which show them in their help. */
export function addGlobalFlags(program: Command): Command {
  program.optionsGroup("Before or after a command that calls an agent:");
  for (const { flags, description, read } of [URL_FLAG, ...otherFlags])
    program.option(flags, description, read);
  return program.option("-q, --quiet", QUIET).optionsGroup("Other:");
}

export function giveUpSetting(): Option {
  return optionalSetting({
    flags: "--give-up-after <duration>",
    description: "time to keep reconnecting (default: forever)",
    read: readDurationMs,
  });
}

const codesOfOwnFailures = new WeakMap<Command, number>();

/** How this command ends when holdfast itself fails; undefined if it has no code of its own for that. */
export function codeOfOwnFailure(command: Command): number | undefined {
  return codesOfOwnFailures.get(command);
}

/** Usage errors of this command end with `exitCode`, for commands whose program could itself end with 2. */
export function usageExitsWith(command: Command, exitCode: number): Command {
  codesOfOwnFailures.set(command, exitCode);
  return command.exitOverride((error) => {
    // 0: the user asked for the help.
    if (error.exitCode !== 0) error.exitCode = exitCode;
    throw error;
  });
}
