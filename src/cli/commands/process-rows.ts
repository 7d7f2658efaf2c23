// One process in `holdfast ps`: the cells of a table row, and an object for scripts.

import type { ProcessInfo } from "../../client/index.ts";
import { endText } from "../exit-codes.ts";
import type { Column } from "./text-table.ts";

export const columns: readonly Column[] = [
  { heading: "PID", align: "right" },
  { heading: "TAG", align: "left" },
  { heading: "USER", align: "left" },
  { heading: "STATE", align: "left" },
  { heading: "AGE", align: "right" },
  { heading: "BYTES", align: "right" },
  { heading: "HELD", align: "right" },
  { heading: "SUBS", align: "right" },
  { heading: "COMMAND", align: "left" },
];

export function toCells(info: ProcessInfo, nowMs: number): string[] {
  return [
    String(info.pid),
    info.tag ?? "-",
    info.user ?? "-",
    statusText(info),
    age(nowMs - info.startedAt.getTime()),
    size(info.offset),
    size(info.heldBytes),
    String(info.subscribers),
    commandText(info),
  ];
}

/** Uses the names of the wire. docs/reference/cli.schema.json describes it. */
export function toJson(info: ProcessInfo): Readonly<Record<string, unknown>> {
  const { exit } = info;
  return {
    pid: info.pid,
    process_id: info.processId,
    tag: info.tag ?? null,
    user: info.user ?? null,
    state: stateOf(info),
    cmd: info.cmd,
    args: info.args,
    cwd: info.cwd ?? null,
    pty: info.isPty,
    started_at: info.startedAt.toISOString(),
    offset: info.offset,
    held_bytes: info.heldBytes,
    subscribers: info.subscribers,
    blocked_ms: info.blockedMs ?? null,
    end:
      exit === undefined
        ? null
        : {
            exit_code: exit.exitCode,
            exited: exit.exited,
            status: exit.status,
            signal: exit.signal ?? null,
            timed_out: exit.timedOut,
          },
  };
}

export type ProcessState = "running" | "unread" | "blocked" | "ended";

/** The help of `ps` explains the words. */
export function stateOf({ exit, reading, subscribers, blockedMs }: ProcessInfo): ProcessState {
  if (exit !== undefined) return "ended";
  if (reading) return "running";
  return subscribers > 0 || blockedMs !== undefined ? "blocked" : "unread";
}

/** The state with what belongs to it: "exit 3", "SIGKILL", "blocked 12s". */
export function statusText(info: ProcessInfo): string {
  if (info.exit !== undefined) return endText(info.exit);
  const state = stateOf(info);
  return info.blockedMs === undefined ? state : `${state} ${age(info.blockedMs)}`;
}

/** As one would type it into a shell. */
export function commandText({ cmd, args }: ProcessInfo): string {
  return [cmd, ...args].map(quoted).join(" ");
}

const AGES: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
];

/** "0s", "59s", "3m"; 26 hours are "1d". */
export function age(ms: number): string {
  const [unit, unitMs] = AGES.find(([, least]) => ms >= least) ?? ["s", 1_000];
  return `${Math.max(0, Math.floor(ms / unitMs))}${unit}`;
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** "0B", "1023B", "1.5KiB", "64MiB". */
export function size(bytes: number): string {
  let amount = bytes;
  let step = 0;
  while (amount >= 1024 && step < SIZES.length - 1) {
    amount /= 1024;
    step += 1;
  }
  const digits = step > 0 && amount < 10 ? Math.floor(amount * 10) / 10 : Math.floor(amount);
  return `${digits}${SIZES[step]}`;
}

/** Shows where each argument begins and ends, in the syntax of a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
