// What `holdfast ps` does.

import { ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { styled } from "../report/style.ts";
import { columns, toCells, toJson } from "./process-rows.ts";
import { layOut } from "./text-table.ts";

/** As commander names the values of the flags. */
export interface PsFlags extends UrlFlag {
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Resolves with the exit code. */
export function listProcesses({ url, all = false, json = false }: PsFlags): Promise<number> {
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (client) => {
    const processes = await client.list({ includeEnded: all });
    if (json) {
      await writeOut(process.stdout, `${JSON.stringify(processes.map(toJson))}\n`);
      return exitCodes.done;
    }
    const nowMs = Date.now();
    const rows = processes.map((info) => toCells(info, nowMs));
    const width = process.stdout.isTTY === true ? process.stdout.columns : undefined;
    const [headings = "", ...lines] = layOut(columns, rows, width);
    await writeOut(process.stdout, [styled("dim", headings, process.stdout), ...lines, ""].join("\n"));
    return exitCodes.done;
  });
}
