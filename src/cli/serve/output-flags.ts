// How `serve` handles the end of processes and their output. The defaults come from process/ and agent/.

import type { Command } from "commander";
import { AGENT_DEFAULTS } from "../../agent/settings.ts";
import { DETACHED_MODES, PROCESS_DEFAULTS } from "../../process/defaults.ts";
import type { OutputPolicy } from "../../process/index.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { bytesText, durationText, readBytes, readChoice, readDurationMs } from "../options/values.ts";

export interface ProcessFlags {
  readonly drainTimeout: number;
  readonly shutdownGrace: number;
}

export interface OutputFlags {
  readonly detached: OutputPolicy["detached"];
  readonly detachedBuffer: number;
  readonly replay: number;
  readonly memoryBudget: number;
  readonly stallTimeout: number;
  readonly retainEnded: number;
}

const processRows: readonly SettingRow[] = [
  {
    flags: "--drain-timeout <duration>",
    description: "time to read an exited process's output to its end",
    fallback: durationText(PROCESS_DEFAULTS.drainTimeoutMs),
    read: readDurationMs,
  },
  {
    flags: "--shutdown-grace <duration>",
    description: "time between SIGTERM and SIGKILL when the agent stops",
    fallback: durationText(AGENT_DEFAULTS.shutdownGraceMs),
    read: readDurationMs,
  },
];

export function addProcessFlags(command: Command): Command {
  return addSettings(command, "Processes", processRows);
}

/** `doctor` has this one as well. */
export const memoryBudgetRow: SettingRow = {
  flags: "--memory-budget <size>",
  description: "memory of everything held for clients",
  fallback: bytesText(PROCESS_DEFAULTS.memoryBudgetBytes),
  read: readBytes,
};

const outputRows: readonly SettingRow[] = [
  {
    flags: "--detached <mode>",
    description: "block, buffer or ring, see below",
    fallback: PROCESS_DEFAULTS.output.detached,
    read: readChoice(DETACHED_MODES),
  },
  {
    flags: "--detached-buffer <size>",
    description: "undelivered output that mode buffer holds",
    fallback: bytesText(PROCESS_DEFAULTS.output.detachedBufferBytes),
    read: readBytes,
  },
  {
    flags: "--replay <size>",
    description: "delivered output held for clients that reconnect",
    fallback: bytesText(PROCESS_DEFAULTS.output.replayBytes),
    read: readBytes,
  },
  memoryBudgetRow,
  {
    flags: "--stall-timeout <duration>",
    description: "time a stalled client can delay others",
    fallback: durationText(PROCESS_DEFAULTS.stallMs),
    read: readDurationMs,
  },
  {
    flags: "--retain-ended <duration>",
    description: "time an ended process can still be found",
    fallback: durationText(PROCESS_DEFAULTS.retainEndedMs),
    read: readDurationMs,
  },
];

export const OUTPUT_FLAGS_HELP = `
While no client is attached to a process (--detached):
  block   the agent stops reading its output; the process waits once its pipe
          is full
  buffer  the agent reads until --detached-buffer is held, then as block
  ring    the agent keeps reading and holds the newest --replay
`;

export function addOutputFlags(command: Command): Command {
  return addSettings(command, "Output", outputRows);
}
