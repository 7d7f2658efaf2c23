// What commands get where a request says nothing: whose they are, where they begin, and how the kernel treats them.
import { type Command, InvalidArgumentError } from "commander";
import type { ChildProperties } from "../../linux/index.ts";
import { optionalSetting, setting } from "../options/settings.ts";
import { readCount, readIoPriority, readOrInherit, readWhole } from "../options/values.ts";

export interface CommandFlags {
  readonly defaultUser?: string;
  readonly defaultWorkdir?: string;
  readonly openFiles: number | "inherit";
  readonly oomScoreAdj: number | { readonly atLeast: number } | "inherit";
  readonly nice: number | "inherit";
  readonly ioPriority: number | "inherit";
  readonly cgroup?: string;
}

/** As much as E2B's envd gives: before the agent, and after what others have given up already. */
const AUTO_OOM_SCORE_ADJ = { atLeast: 100 };

export interface CommandSettings {
  readonly defaultUser: string | undefined;
  readonly defaultWorkdir: string | undefined;
  readonly children: ChildProperties;
  readonly cgroup: string | undefined;
}

export function addCommandFlags(command: Command): Command {
  return command
    .optionsGroup("Commands:")
    .addOption(
      optionalSetting({
        flags: "--default-user <name>",
        description: "whom they run as when a request names nobody; else the agent's own user",
        read: (text) => text,
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--default-workdir <path>",
        description: "where they begin when a request does not say; else their user's home",
        read: readWorkdir,
      }),
    )
    .addOption(
      setting({
        flags: "--open-files <n>",
        description:
          'their soft limit on open files, within the hard one; "inherit" for the agent\'s, which is the hard one',
        fallback: "1024",
        read: readOrInherit(readCount),
      }),
    )
    .addOption(
      setting({
        flags: "--oom-score-adj <n>",
        description:
          'which the kernel kills first when memory runs out: -1000 to 1000, "inherit", or "auto": 100, and never less than the ' +
          "agent's",
        fallback: "auto",
        read: (text) => (text === "auto" ? AUTO_OOM_SCORE_ADJ : readOrInherit(readWhole(-1000, 1000))(text)),
      }),
    )
    .addOption(
      setting({
        flags: "--nice <n>",
        description: 'their CPU priority: -20 to 19, or "inherit"',
        fallback: "0",
        read: readOrInherit(readWhole(-20, 19)),
      }),
    )
    .addOption(
      setting({
        flags: "--io-priority <class>",
        description: 'none (follows --nice), idle, best-effort:0 to 7, realtime:0 to 7, or "inherit"',
        fallback: "none",
        read: readOrInherit(readIoPriority),
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--cgroup <path>",
        description:
          "a cgroup (version 2) below which they are put: those on a terminal into pty, others into user",
        read: (text) => text,
      }),
    );
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

/** As a request's cwd, but for the relative: relative to whose home would be anyone's guess here. */
function readWorkdir(text: string): string {
  if (text.startsWith("/") || text === "~" || text.startsWith("~/")) return text;
  throw new InvalidArgumentError(
    "It is an absolute path, or begins with ~/ for the home of whose command it is.",
  );
}
