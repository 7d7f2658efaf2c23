// Runs `holdfast inspect`.

import type { ProcessInfo } from "../../client/index.ts";
import { matchIn, ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { applyTemplate, type FormatOf } from "./format-template.ts";
import { toFields } from "./process-fields.ts";
import { toJson } from "./process-rows.ts";

/** As commander names the values of the flags. */
export interface InspectFlags extends UrlFlag {
  readonly format?: FormatOf<"json">;
  readonly json?: boolean;
}

/** Resolves with the exit code. */
export function inspectProcesses(
  selectors: readonly string[],
  { url, format }: InspectFlags,
): Promise<number> {
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (client) => {
    const all = await client.list({ includeEnded: true, usage: true });
    const found = await Promise.all(selectors.map((selector) => matchIn(all, selector, client)));
    const nowMs = Date.now();
    const text =
      format?.kind === "template"
        ? applyTemplate(
            format,
            found.map((info) => toFields(info, nowMs)),
          ).join("\n")
        : JSON.stringify(found.map(toFullJson), undefined, 2);
    await writeOut(process.stdout, `${text}\n`);
    return exitCodes.done;
  });
}

function toFullJson(info: ProcessInfo): object {
  const { usage } = info;
  return {
    ...toJson(info),
    env: info.env,
    reading: info.reading,
    usage:
      usage === undefined
        ? null
        : { cpu_ms: usage.cpuMs, resident_bytes: usage.residentBytes, processes: usage.processes },
  };
}
