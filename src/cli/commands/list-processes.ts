// Runs `holdfast ps`.

import type { ProcessInfo } from "../../client/index.ts";
import { ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { styled } from "../report/style.ts";
import { columnsOf } from "../report/terminal-width.ts";
import { applyTemplate, type FormatOf } from "./format-template.ts";
import { toFields } from "./process-fields.ts";
import { type Filter, isMatch, wantsEnded } from "./process-filter.ts";
import { columns, toCells, toJson } from "./process-rows.ts";
import { layOut } from "./text-table.ts";

/** As commander names the values of the flags. */
export interface PsFlags extends UrlFlag {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly filter?: readonly Filter[];
  readonly format?: FormatOf<"table" | "json">;
  readonly json?: boolean;
  /** False with --no-trunc. */
  readonly trunc: boolean;
}

/** Resolves with the exit code. */
export function listProcesses(flags: PsFlags): Promise<number> {
  const { url, all = false, filter = [] } = flags;
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (client) => {
    const listed = await client.list({ includeEnded: all || wantsEnded(filter) });
    await writeOut(
      process.stdout,
      textOf(
        listed.filter((info) => isMatch(info, filter)),
        flags,
      ),
    );
    return exitCodes.done;
  });
}

function textOf(
  processes: readonly ProcessInfo[],
  { json = false, quiet = false, format, trunc }: PsFlags,
): string {
  if (json || format?.kind === "json") return `${JSON.stringify(processes.map(toJson))}\n`;
  if (quiet) return processes.map(({ pid }) => `${pid}\n`).join("");
  const nowMs = Date.now();
  if (format?.kind === "template")
    return applyTemplate(
      format,
      processes.map((info) => toFields(info, nowMs)),
    )
      .map((line) => `${line}\n`)
      .join("");
  return table(processes, nowMs, trunc);
}

function table(processes: readonly ProcessInfo[], nowMs: number, trunc: boolean): string {
  const rows = processes.map((info) => toCells(info, nowMs));
  const [headings = "", ...lines] = layOut(columns, rows, trunc ? columnsOf(process.stdout) : undefined);
  return [styled("dim", headings, process.stdout), ...lines, ""].join("\n");
}
