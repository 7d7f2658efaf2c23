// What `holdfast logs` does.
import type { Client, OutputEvent, ProcessInfo, RemoteProcess } from "../../client/index.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { findProcess } from "../connect/find-process.ts";
import { patience, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import { jsonReport } from "../report/json-report.ts";
import type { Report } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";
import type { LogsFlags } from "./logs.ts";

/** Resolves with the exit code. */
export function showLogs(selector: string, flags: LogsFlags): Promise<number> {
  const { url, giveUpAfter } = flags;
  const reconnect = patience(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.failed }, async (client) => {
    await show(client, await findProcess(url, selector), flags);
    return exitCodes.done;
  });
}

async function show(client: Client, info: ProcessInfo, flags: LogsFlags): Promise<void> {
  const { follow = false, json = false, from } = flags;
  const report = json ? jsonReport() : textReport();
  const connection = new ConnectionWatch(report);
  const remote = await client.attach(info.processId, {
    ...connection.options,
    fromOffset: from,
    // An observer alone would set the process free and miss what it writes. Alone we set the pace, as attach does.
    lag: follow && info.subscribers > 0 ? "skip" : "block",
  });
  await report.attached(remote, { isRaw: false, keys: "none" });
  if (follow || info.exit !== undefined) {
    for await (const event of remote) await tell(report, event);
    await report.ended(await remote.exit);
  } else {
    for (const event of await readTo(remote, info.offset)) await tell(report, event);
  }
}

/** All at once, and then leaves: it may be long until somebody has looked at it, and the process shall not wait for that. */
async function readTo(remote: RemoteProcess, offset: number): Promise<OutputEvent[]> {
  const events: OutputEvent[] = [];
  if (remote.offset < offset) {
    for await (const event of remote) {
      events.push(event);
      if (remote.offset >= offset) break;
    }
  }
  remote.detach();
  return events;
}

async function tell(report: Report, event: OutputEvent): Promise<void> {
  if (event.kind === "gap") await report.gap(event);
  else await report.data(event);
}
