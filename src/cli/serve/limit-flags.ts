// How much clients of `serve` can have at most.
import type { Command } from "commander";
import type { HttpLimits } from "../../http/index.ts";
import type { ProcessLimits } from "../../process/index.ts";
import type { RpcLimits } from "../../rpc/index.ts";
import { setting } from "../options/settings.ts";
import { readBytes, readCount, readDurationMs } from "../options/values.ts";

export interface LimitFlags {
  readonly maxProcesses: number;
  readonly maxStreams: number;
  readonly maxStreamsPerProcess: number;
  readonly maxArguments: number;
  readonly maxEnvironment: number;
  readonly maxMessage: number;
  readonly requestMemory: number;
  readonly requestTimeout: number;
  readonly maxHeader: number;
  readonly maxIdleConnections: number;
  readonly idleTimeout: number;
}

const flags = [
  ["--max-processes <n>", "processes at once", "1024", readCount],
  ["--max-streams <n>", "Start, Connect and StreamInput calls at once", "4096", readCount],
  ["--max-streams-per-process <n>", "of these attached to one process", "256", readCount],
  ["--max-arguments <size>", "a command and its arguments", "2MiB", readBytes],
  ["--max-environment <size>", "the variables a request sets", "2MiB", readBytes],
  ["--max-message <size>", "one message", "16MiB", readBytes],
  ["--request-memory <size>", "all messages that are arriving, together", "128MiB", readBytes],
  ["--request-timeout <duration>", "how long a message may take to arrive", "60s", readDurationMs],
  ["--max-header <size>", "the headers of a request", "16KiB", readBytes],
  [
    "--max-idle-connections <n>",
    "connections without a request; of more, the longest idle are closed",
    "1024",
    readCount,
  ],
  ["--idle-timeout <duration>", "how long a connection may be without one", "120s", readDurationMs],
] as const;

export function addLimitFlags(command: Command): Command {
  command.optionsGroup("Limits:");
  for (const [name, description, fallback, read] of flags)
    command.addOption(setting({ flags: name, description, fallback, read }));
  return command;
}

export interface LimitSettings {
  readonly processes: ProcessLimits;
  readonly server: HttpLimits & RpcLimits;
}

export function limitSettings(flags: LimitFlags): LimitSettings {
  return {
    processes: {
      maxProcesses: flags.maxProcesses,
      maxArgumentBytes: flags.maxArguments,
      maxEnvironmentBytes: flags.maxEnvironment,
    },
    server: {
      maxStreams: flags.maxStreams,
      maxStreamsPerProcess: flags.maxStreamsPerProcess,
      maxMessageBytes: flags.maxMessage,
      requestMemoryBytes: flags.requestMemory,
      requestMs: flags.requestTimeout,
      maxHeaderBytes: flags.maxHeader,
      maxIdleConnections: flags.maxIdleConnections,
      idleConnectionMs: flags.idleTimeout,
    },
  };
}
