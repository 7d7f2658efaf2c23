// The defaults of commands for requests that do not say: user, working directory, limits and
// priorities.

import { type Command, InvalidArgumentError } from "commander";
import { AGENT_DEFAULTS, type CommandSettings } from "../../agent/settings.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { readCount, readIoPriority, readOrInherit, readWhole } from "../options/values.ts";

const { children } = AGENT_DEFAULTS;

export interface CommandFlags {
  readonly defaultUser?: string;
  readonly defaultWorkdir?: string;
  readonly openFiles: number | "inherit";
  readonly oomScoreAdj: number | { readonly atLeast: number } | "inherit";
  readonly nice: number | "inherit";
  readonly ioPriority: number | "inherit";
  readonly cgroup?: string;
  readonly envdVersion: string;
}

const rows: readonly SettingRow[] = [
  {
    flags: "--default-user <name>",
    description: "user if a request names none (default: the agent's)",
    read: (text) => text,
  },
  {
    flags: "--default-workdir <path>",
    description: "cwd if a request names none (default: the user's home)",
    read: readWorkdir,
  },
  {
    flags: "--open-files <n>",
    description: 'soft limit of open files, or "inherit"',
    fallback: String(children.openFiles),
    read: readOrInherit(readCount),
  },
  {
    flags: "--oom-score-adj <n>",
    description: 'OOM score: -1000 to 1000, "auto" or "inherit"',
    fallback: "auto",
    read: (text) => (text === "auto" ? children.oomScoreAdj : readOrInherit(readWhole(-1000, 1000))(text)),
  },
  {
    flags: "--nice <n>",
    description: 'CPU priority: -20 to 19, or "inherit"',
    fallback: String(children.nice),
    read: readOrInherit(readWhole(-20, 19)),
  },
  {
    flags: "--io-priority <class>",
    description: 'I/O priority, such as best-effort:4, or "inherit"',
    fallback: "none",
    read: readOrInherit(readIoPriority),
  },
  {
    flags: "--cgroup <path>",
    description: "cgroup (version 2) that commands are put into",
    read: (text) => text,
  },
  {
    flags: "--envd-version <version>",
    description: "version that X-Envd-Version names to E2B's clients",
    fallback: AGENT_DEFAULTS.envdVersion,
    read: readVersion,
  },
];

export const COMMAND_FLAGS_HELP = `
Commands:
  --oom-score-adj auto is ${children.oomScoreAdj.atLeast}, or the agent's score if that is higher.
  --io-priority is none (follows --nice), idle, best-effort:0 to best-effort:7,
  or realtime:0 to realtime:7. "inherit" keeps the value of the agent; its limit
  of open files is the hard limit. Below --cgroup, commands on a terminal go
  into the cgroup pty, all others into user.
`;

export function addCommandFlags(command: Command): Command {
  return addSettings(command, "Commands", rows);
}

export function commandSettings(flags: CommandFlags): CommandSettings {
  const own = <T>(value: T | "inherit") => (value === "inherit" ? undefined : value);
  return {
    defaultUser: flags.defaultUser,
    defaultWorkdir: flags.defaultWorkdir,
    children: {
      openFiles: own(flags.openFiles),
      oomScoreAdj: own(flags.oomScoreAdj),
      nice: own(flags.nice),
      ioPriority: own(flags.ioPriority),
    },
    cgroup: flags.cgroup,
  };
}

/** As the cwd of a request, except for relative paths, which are relative to the home of a user not known here. */
function readWorkdir(text: string): string {
  if (text.startsWith("/") || text === "~" || text.startsWith("~/")) return text;
  throw new InvalidArgumentError(
    "It is an absolute path, or begins with ~/ for the home of the command's user.",
  );
}

/** As both E2B SDKs parse it. */
function readVersion(text: string): string {
  if (/^\d{1,5}\.\d{1,5}\.\d{1,5}$/.test(text)) return text;
  throw new InvalidArgumentError("It is a version such as 0.6.4.");
}
