// The rows that the table shows, their order, and the text of their cells.

import type { ProcessInfo } from "../../src/client/types.ts";
import { strings } from "../strings.ts";
import { formatBytes, plainLine } from "../ui/format.ts";
import { joinWords } from "./command-line.ts";

export type Shown = "live" | "ended" | "all";
export type SortKey =
  | "state"
  | "pid"
  | "tag"
  | "command"
  | "user"
  | "kind"
  | "age"
  | "output"
  | "rate"
  | "held"
  | "clients";

export interface Order {
  readonly key: SortKey;
  readonly descending: boolean;
}

export interface RowQuery {
  readonly shown: Shown;
  readonly filter: string;
  readonly order: Order;
  readonly rateOf: (processId: string) => number;
}

export function commandOf({ cmd, args }: Pick<ProcessInfo, "cmd" | "args">): string {
  return plainLine(joinWords([cmd, ...args]), 400);
}

/** The name of a process in titles. */
export function nameOf(info: Pick<ProcessInfo, "cmd" | "args" | "tag">): string {
  return plainLine(info.tag ?? commandOf(info), 100);
}

export function stateOf(info: ProcessInfo): {
  readonly kind: "run" | "blocked" | "ok" | "failed";
  readonly text: string;
} {
  const { exit, blockedMs } = info;
  if (exit === undefined)
    return blockedMs === undefined
      ? { kind: "run", text: strings.running }
      : { kind: "blocked", text: strings.blocked(Math.floor(blockedMs / 1000)) };
  if (exit.signal !== undefined) return { kind: "failed", text: exit.signal };
  return { kind: exit.exitCode === 0 ? "ok" : "failed", text: strings.exitedWith(exit.exitCode) };
}

export function readingOf({ exit, reading, pausedReason, slowestOffset }: ProcessInfo): string {
  if (exit !== undefined) return "";
  if (reading || pausedReason === undefined) return reading ? strings.reading : strings.paused;
  if (pausedReason === "slowClient") return strings.pausedReasons.slowClient(formatBytes(slowestOffset ?? 0));
  return strings.pausedReasons[pausedReason];
}

export function selectRows(all: readonly ProcessInfo[], query: RowQuery): ProcessInfo[] {
  const words = query.filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const isShown = (info: ProcessInfo) =>
    query.shown === "all" || (query.shown === "ended") === (info.exit !== undefined);
  const matches = (info: ProcessInfo) => {
    const text =
      `${info.pid} ${info.tag ?? ""} ${info.user ?? ""} ${commandOf(info)} ${info.processId}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const value = sortValue(query);
  const sign = query.order.descending ? -1 : 1;
  return all
    .filter((info) => isShown(info) && matches(info))
    .map((info) => ({ info, value: value(info) }))
    .sort((a, b) => sign * compare(a.value, b.value) || a.info.pid - b.info.pid)
    .map(({ info }) => info);
}

function sortValue({ order, rateOf }: RowQuery): (info: ProcessInfo) => string | number {
  const values: Record<SortKey, (info: ProcessInfo) => string | number> = {
    state: (info) => stateOf(info).text,
    pid: ({ pid }) => pid,
    tag: ({ tag }) => tag ?? "",
    command: commandOf,
    user: ({ user }) => user ?? "",
    kind: ({ isPty }) => (isPty ? 0 : 1),
    age: ({ startedAt }) => -startedAt.getTime(),
    output: ({ offset }) => offset,
    rate: ({ processId }) => rateOf(processId),
    held: ({ heldBytes }) => heldBytes,
    clients: ({ subscribers }) => subscribers,
  };
  return values[order.key];
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}
