// The limits for clients of `serve`. The defaults come from the layers that apply the limits.

import type { Command } from "commander";
import { AGENT_DEFAULTS, type LimitSettings } from "../../agent/settings.ts";
import { DEFAULT_HTTP_LIMITS } from "../../http/limits.ts";
import { PROCESS_DEFAULTS } from "../../process/defaults.ts";
import { DEFAULT_RPC_LIMITS } from "../../rpc/rpc-limits.ts";
import { addSettings } from "../options/settings.ts";
import { bytesText, durationText, readBytes, readCount, readDurationMs } from "../options/values.ts";

export interface LimitFlags {
  readonly maxProcesses: number;
  readonly maxStreams: number;
  readonly maxStreamsPerProcess: number;
  readonly maxArguments: number;
  readonly maxEnvironment: number;
  readonly maxRetainEnded: number;
  readonly maxRetained: number;
  readonly maxMessage: number;
  readonly requestMemory: number;
  readonly requestTimeout: number;
  readonly headerTimeout: number;
  readonly keepalive: number;
  readonly maxHeader: number;
  readonly maxIdleConnections: number;
  readonly idleTimeout: number;
  readonly transferIdleTimeout: number;
}

const processes = PROCESS_DEFAULTS.limits;
const rpc = DEFAULT_RPC_LIMITS;
const http = DEFAULT_HTTP_LIMITS;

const rows = [
  count("--max-processes", "running processes", processes.maxProcesses),
  count("--max-streams", "open Start, Connect and StreamInput calls", rpc.maxStreams),
  count("--max-streams-per-process", "Start and Connect calls of one process", rpc.maxStreamsPerProcess),
  size("--max-arguments", "size of a command and its arguments", processes.maxArgumentBytes),
  size("--max-environment", "size of the variables in a request", processes.maxEnvironmentBytes),
  duration("--max-retain-ended", "longest retention that a start can ask for", processes.maxRetainEndedMs),
  count("--max-retained", "ended processes that can still be found", processes.maxRetainedProcesses),
  size("--max-message", "size of one message", rpc.maxMessageBytes),
  size("--request-memory", "size of all messages that are being received", rpc.requestMemoryBytes),
  duration("--request-timeout", "time for a message to arrive", rpc.requestMs),
  duration("--keepalive", "time until a silent stream gets a KeepAlive", rpc.keepaliveMs),
  duration("--header-timeout", "time for first bytes, TLS handshake, headers, each", http.headersMs),
  size("--max-header", "size of the headers of a request", http.maxHeaderBytes),
  count("--max-idle-connections", "connections without a request", http.maxIdleConnections),
  duration("--idle-timeout", "time until an idle connection is closed", http.idleConnectionMs),
  duration(
    "--transfer-idle-timeout",
    "time without progress of an upload or download",
    AGENT_DEFAULTS.transferIdleMs,
  ),
];

function count(name: string, description: string, fallback: number) {
  return { flags: `${name} <n>`, description, fallback: String(fallback), read: readCount };
}

function size(name: string, description: string, fallback: number) {
  return { flags: `${name} <size>`, description, fallback: bytesText(fallback), read: readBytes };
}

function duration(name: string, description: string, fallback: number) {
  return { flags: `${name} <duration>`, description, fallback: durationText(fallback), read: readDurationMs };
}

export function addLimitFlags(command: Command): Command {
  return addSettings(command, "Limits", rows);
}

export function limitSettings(flags: LimitFlags): LimitSettings {
  return {
    processes: {
      maxProcesses: flags.maxProcesses,
      maxArgumentBytes: flags.maxArguments,
      maxEnvironmentBytes: flags.maxEnvironment,
      maxRetainEndedMs: flags.maxRetainEnded,
      maxRetainedProcesses: flags.maxRetained,
    },
    server: {
      maxStreams: flags.maxStreams,
      maxStreamsPerProcess: flags.maxStreamsPerProcess,
      maxMessageBytes: flags.maxMessage,
      requestMemoryBytes: flags.requestMemory,
      requestMs: flags.requestTimeout,
      keepaliveMs: flags.keepalive,
      headersMs: flags.headerTimeout,
      maxHeaderBytes: flags.maxHeader,
      maxIdleConnections: flags.maxIdleConnections,
      idleConnectionMs: flags.idleTimeout,
    },
    transferIdleMs: flags.transferIdleTimeout,
  };
}
