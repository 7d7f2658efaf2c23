// The processes of an agent as plain data: one image of the agent writes it down, the next one continues from it
// (src/handover). Times are lasting ones (lasting-time.ts). Fields are only added; a field keeps its name and meaning.

import type { Pid } from "../linux/index.ts";
import type { OutputState } from "../multiplexer/index.ts";
import type { ProcessEnd } from "./end-status.ts";
import type { StdioState } from "./io/attached-stdio.ts";
import type { InputState } from "./io/input.ts";
import type { SourceDescriptors } from "./io/output-reader.ts";
import type { TerminalHistoryState } from "./io/terminal-history.ts";
import type { StartRequest } from "./start/start-request.ts";

export interface ProcessState {
  readonly pid: Pid;
  readonly processId: string;
  readonly position?: number | undefined;
  readonly request: StartRequest;
  readonly user: string;
  readonly bornAtMs: number;
  /** Since the epoch. */
  readonly startedAtMs: number;
  readonly phase:
    | { readonly kind: "running" }
    | { readonly kind: "draining"; readonly end: ProcessEnd; readonly reapedAtMs: number }
    | { readonly kind: "ended"; readonly endedAtMs: number };
  /** It is reaped, and not draining yet. */
  readonly waitStatus?: number | undefined;
  readonly wasKilledAtDeadline: boolean;
  /** When its time limit or its drain is over. */
  readonly dueAtMs?: number | undefined;
  readonly blockedSinceMs?: number | undefined;
  readonly stdio: StdioState;
  readonly input?: InputState | undefined;
  readonly terminal?: TerminalHistoryState | undefined;
  readonly output: OutputState<ProcessEnd>;
}

export interface LatenciesState {
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export interface StatisticsState {
  readonly started: number;
  readonly refused: number;
  readonly outputBytes: Readonly<Record<string, number>>;
  readonly inputBytes: Readonly<Record<string, number>>;
  readonly readPauses: number;
  readonly stalls: number;
  readonly startLatencies: LatenciesState;
  readonly drainLatencies: LatenciesState;
}

export interface ForgottenState {
  readonly pid: number;
  readonly tag?: string | undefined;
  readonly processId: string;
  readonly status: string;
  readonly reason: object;
  readonly endedAtMs: number;
}

export interface GenerationState {
  readonly id: string;
  readonly ends: readonly {
    readonly processId: string;
    readonly ends: readonly { readonly generation: string; readonly sentTo: number }[];
  }[];
}

export interface TableState {
  /** Oldest first. */
  readonly live: readonly ProcessState[];
  /** In the order of their ends. */
  readonly ended: readonly {
    readonly process: ProcessState;
    readonly retainMs: number;
    readonly untilMs: number;
  }[];
  /** Ended and no longer retained, but clients still read their output. */
  readonly lingering: readonly ProcessState[];
  readonly forgotten: readonly ForgottenState[];
  readonly startIds: readonly {
    readonly startId: string;
    readonly fingerprint: string;
    readonly processId: string;
  }[];
  readonly generation: GenerationState;
  /** The pipes and ptys to which orphans of ended processes still write. */
  readonly discarded: readonly SourceDescriptors[];
  readonly statistics: StatisticsState;
  /** The highest position so far, also of processes that are forgotten. */
  readonly lastPosition?: number | undefined;
}

/** All descriptors of `state`, which must stay open. */
export function tableDescriptors({ live, ended, lingering, discarded }: TableState): number[] {
  const processes = [...live, ...ended.map(({ process }) => process), ...lingering];
  const stdio = processes.flatMap(({ stdio: { kind: _, ...fds } }) => Object.values(fds));
  const all = [...stdio, ...discarded.flatMap(({ fd, copy }) => [fd, copy])];
  return all.filter((fd) => typeof fd === "number");
}
