// What `holdfast logs` does.

import type { Client, OutputEvent, ProcessInfo, RemoteProcess } from "../../client/index.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { findProcess, reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { jsonReport } from "../report/json-report.ts";
import { reportEvent } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";

/** As commander names the values of the flags. */
export interface LogsFlags extends UrlFlag {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly from: number;
  readonly giveUpAfter?: number;
}

/** Resolves with the exit code. */
export function showLogs(selector: string, flags: LogsFlags): Promise<number> {
  const { url, giveUpAfter } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.failed }, async (client) => {
    await show(client, await findProcess(selector), flags);
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
    // Looking at a process must not change what it does, or what other clients receive (rule 13).
    lag: "skip",
  });
  await report.attached(remote, { isRaw: false, keys: "none" });
  if (follow || info.exit !== undefined) {
    for await (const event of remote) await reportEvent(report, event);
    await report.ended(await remote.exit);
  } else {
    for (const event of await readTo(remote, info.offset)) await reportEvent(report, event);
  }
}

/** Reads up to `offset` before anything is printed: an observer that waits for the reader of stdout gets gaps. */
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
