// The settings of the agent and their defaults. Loads nothing at run time, so that flags and help texts
// can show the numbers without loading the agent: a second door of this folder, beside index.ts.

import type { FileAccessMode } from "../filesystem/index.ts";
import type { HttpLimits, ListenAddress, TlsIdentity } from "../http/index.ts";
import type { ChildProperties } from "../linux/index.ts";
import type { OutputPolicy, ProcessLimits } from "../process/index.ts";
import type { RpcLimits } from "../rpc/index.ts";

export interface AgentSettings {
  /** At least one. */
  readonly addresses: readonly ListenAddress[];
  readonly access: AccessSettings;
  /** Undefined: no web console. */
  readonly console: ConsoleSettings | undefined;
  readonly limits: LimitSettings;
  readonly commands: CommandSettings;
  readonly files: FileSettings;
  readonly drainTimeoutMs: number;
  readonly shutdownGraceMs: number;
  readonly output: OutputPolicy;
  readonly memoryBudgetBytes: number;
  readonly stallMs: number;
  readonly retainEndedMs: number;
  /** Return the memory of Node's code to the kernel when idle. */
  readonly pageOut: boolean;
  /** The X-Envd-Version of the agent's answers. */
  readonly envdVersion: string;
  readonly log: LogSettings;
  readonly logCommands: boolean;
  /** HOLDFAST_ variables that are not the variable of any setting. */
  readonly unknownVariables: readonly string[];
  readonly version: string;
  /** Only tries whether this version can continue an agent, whose state is on stdin (src/handover). */
  readonly rehearses: boolean;
}

export interface AccessSettings {
  readonly token: string | undefined;
  /** Tokens with scopes; see TokenFile. */
  readonly tokenFile: { readonly path: string; readonly text: string } | undefined;
  /** Remarks on its safety, for the log. */
  readonly tokenRemarks: readonly string[];
  readonly allowUnauthenticated: boolean;
  readonly allowHosts: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly tls: TlsIdentity | undefined;
}

export interface ConsoleSettings {
  /** Origins whose pages may show it in a frame. */
  readonly frameAncestors: readonly string[];
}

/** The defaults of commands for requests that do not say. */
export interface CommandSettings {
  readonly defaultUser: string | undefined;
  readonly defaultWorkdir: string | undefined;
  readonly children: ChildProperties;
  readonly cgroup: string | undefined;
}

export interface FileSettings {
  /** Whose rights file requests have. */
  readonly access: FileAccessMode;
  readonly maxWatchers: number;
  readonly retainWatchersMs: number;
}

export interface LimitSettings {
  readonly processes: ProcessLimits;
  readonly server: HttpLimits & RpcLimits;
  /** How long an upload or download may make no progress. */
  readonly transferIdleMs: number;
}

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ["auto", "pretty", "json"] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LogSettings {
  readonly level: LogLevel;
  /** "auto": "pretty" when stderr is a terminal, "json" otherwise. */
  readonly format: LogFormat;
}

export const AGENT_DEFAULTS = {
  host: "127.0.0.1",
  /** The port that clients of this protocol connect to. */
  port: 49_983,
  socketMode: 0o600,
  /** The time between SIGTERM and SIGKILL when the agent stops. */
  shutdownGraceMs: 5_000,
  /** The time without work after which the agent pages out its code. */
  pageOutIdleMs: 5_000,
  /** Opens all features of E2B's SDKs, and asks of the agent nothing that it does not have. */
  envdVersion: "0.6.4",
  /** As long as a proxy or a busy program may pause; a client that left is noticed sooner. */
  transferIdleMs: 120_000,
  log: { level: "info", format: "auto" },
  children: {
    openFiles: 1024,
    /** As E2B's envd: the kernel kills commands before the agent, and never before their score asks for it. */
    oomScoreAdj: { atLeast: 100 },
    nice: 0,
    /** Follows the nice value. */
    ioPriority: 0,
  },
} as const;
