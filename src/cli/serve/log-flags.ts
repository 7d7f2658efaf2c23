// The log of `serve`.

import type { Command } from "commander";
import {
  AGENT_DEFAULTS,
  type LogFormat,
  type LogLevel,
  logFormats,
  logLevels,
} from "../../agent/settings.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { readChoice, readYesNo } from "../options/values.ts";

export interface LogFlags {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly logCommands?: boolean;
}

const rows: readonly SettingRow[] = [
  {
    flags: "--log-level <level>",
    description: `lowest level: ${logLevels.join(", ")}`,
    fallback: AGENT_DEFAULTS.log.level,
    read: readChoice(logLevels),
  },
  {
    flags: "--log-format <format>",
    description: "pretty, json, or auto: pretty on a terminal",
    fallback: AGENT_DEFAULTS.log.format,
    read: readChoice(logFormats),
  },
  {
    flags: "--log-commands [yes|no]",
    description: "commands with their arguments, which may be secret",
    read: readYesNo,
    preset: "yes",
  },
];

export function addLogFlags(command: Command): Command {
  return addSettings(command, "Log (on stderr)", rows);
}
