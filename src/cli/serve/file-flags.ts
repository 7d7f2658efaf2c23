// How `serve` treats the files of the sandbox.

import type { Command } from "commander";
import type { FileSettings } from "../../agent/settings.ts";
import { FILE_ACCESS_MODES, FILE_DEFAULTS } from "../../filesystem/defaults.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { durationText, readChoice, readCount, readDurationMs } from "../options/values.ts";

export interface FileFlags {
  readonly fileAccess: FileSettings["access"];
  readonly maxWatchers: number;
  readonly retainWatchers: number;
}

const rows: readonly SettingRow[] = [
  {
    flags: "--file-access <mode>",
    description: "agent or user: whose rights file requests have",
    fallback: FILE_DEFAULTS.access,
    read: readChoice(FILE_ACCESS_MODES),
  },
  {
    flags: "--max-watchers <n>",
    description: "watches of directories at once",
    fallback: String(FILE_DEFAULTS.maxWatchers),
    read: readCount,
  },
  {
    flags: "--retain-watchers <duration>",
    description: "how long a watch without a reader is kept",
    fallback: durationText(FILE_DEFAULTS.retainWatchersMs),
    read: readDurationMs,
  },
];

export function addFileFlags(command: Command): Command {
  return addSettings(command, "Files", rows);
}

export function fileSettings(flags: FileFlags): FileSettings {
  return {
    access: flags.fileAccess,
    maxWatchers: flags.maxWatchers,
    retainWatchersMs: flags.retainWatchers,
  };
}
