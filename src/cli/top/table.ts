// The table of `holdfast top`: its lines, and its rows for scripts. No I/O.

import { age, commandText, size, statusText, toJson } from "../commands/process-rows.ts";
import { type Column, layOut } from "../commands/text-table.ts";
import type { Row } from "./rates.ts";

const columns: readonly Column[] = [
  { heading: "PID", align: "right" },
  { heading: "TAG", align: "left" },
  { heading: "USER", align: "left" },
  { heading: "STATE", align: "left" },
  { heading: "AGE", align: "right" },
  { heading: "CPU%", align: "right" },
  { heading: "MEM", align: "right" },
  { heading: "OUT/S", align: "right" },
  { heading: "SUBS", align: "right" },
  { heading: "COMMAND", align: "left" },
];

/** The headings first. */
export function tableLines(rows: readonly Row[], nowMs: number, width: number | undefined): string[] {
  return layOut(
    columns,
    rows.map((row) => toCells(row, nowMs)),
    width,
  );
}

function toCells({ info, cpuPercent, bytesPerSecond }: Row, nowMs: number): string[] {
  return [
    String(info.pid),
    info.tag ?? "-",
    info.user ?? "-",
    statusText(info),
    age(nowMs - info.startedAt.getTime()),
    cpuPercent === undefined ? "-" : cpuPercent.toFixed(1),
    info.usage === undefined ? "-" : size(info.usage.residentBytes),
    size(bytesPerSecond),
    String(info.subscribers),
    commandText(info),
  ];
}

export function rowJson({ info, cpuPercent, bytesPerSecond }: Row): object {
  return {
    ...toJson(info),
    cpu_percent: cpuPercent === undefined ? null : Math.round(cpuPercent * 10) / 10,
    resident_bytes: info.usage?.residentBytes ?? null,
    output_bytes_per_second: Math.round(bytesPerSecond),
  };
}
