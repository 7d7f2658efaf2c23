// Runs `holdfast top`: lists the processes again and again, and shows or prints the rates.

import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../client/index.ts";
import { ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import { writeOut } from "../report/report.ts";
import { canDraw } from "../report/terminal-width.ts";
import { type Row, ratesOf, sorted } from "./rates.ts";
import { sample, type TopFlags } from "./sampling.ts";
import { rowJson, tableLines } from "./table.ts";

/** Resolves with the exit code. */
export function showTop(
  flags: TopFlags,
  run: (words: readonly string[]) => Promise<number>,
): Promise<number> {
  const { url, count, json = false } = flags;
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (client) => {
    const isLive = count === undefined && !json && canDraw(process.stdout) && process.stdin.isTTY === true;
    if (!isLive) return printTables(client, flags);
    const { watchLive } = await import("./live-view.ts");
    return watchLive(client, flags, run);
  });
}

async function printTables(
  client: Client,
  { interval, count, sort, json = false }: TopFlags,
): Promise<number> {
  // On a terminal, --json continues until it is interrupted.
  const tables = count ?? (process.stdout.isTTY === true ? Number.POSITIVE_INFINITY : 1);
  let before = await sample(client);
  for (let printed = 0; printed < tables; printed++) {
    await sleep(interval);
    const now = await sample(client);
    await writeOut(process.stdout, textOf(sorted(ratesOf(before, now), sort), json, printed > 0));
    before = now;
  }
  return exitCodes.done;
}

function textOf(rows: readonly Row[], json: boolean, isLater: boolean): string {
  if (json) return `${JSON.stringify(rows.map(rowJson))}\n`;
  return `${isLater ? "\n" : ""}${tableLines(rows, Date.now(), undefined).join("\n")}\n`;
}
