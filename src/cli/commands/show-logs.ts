// Runs `holdfast logs`.

import {
  type Client,
  ClientError,
  type OutputEvent,
  type ProcessInfo,
  type RemoteProcess,
} from "../../client/index.ts";
import { ConnectionWatch } from "../connect/connection-watch.ts";
import { findProcess, reconnectFor, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import type { Moment } from "../options/moment.ts";
import { jsonReport } from "../report/json-report.ts";
import { type Report, reportEvent } from "../report/report.ts";
import { textReport } from "../report/text-report.ts";
import { LineStamps, lastLines, since } from "./log-selection.ts";

/** As commander names the values of the flags. */
export interface LogsFlags extends UrlFlag {
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly from: number;
  /** Undefined: all lines. */
  readonly tail?: number;
  readonly since?: Moment;
  readonly timestamps?: boolean;
  readonly giveUpAfter?: number;
}

/** Resolves with the exit code. */
export function showLogs(selector: string, flags: LogsFlags): Promise<number> {
  const { url, giveUpAfter } = flags;
  const reconnect = reconnectFor(giveUpAfter);
  return withClient({ url, reconnect, failureCode: () => exitCodes.failed }, async (client) => {
    const info = await findProcess(selector);
    const print = printer(flags, await sinceMs(client, flags));
    await show(client, info, flags, print);
    return exitCodes.done;
  });
}

/** By the clock of the agent's machine. Rejects if the agent does not know when it read the output. */
async function sinceMs(
  client: Client,
  { since: moment, timestamps }: LogsFlags,
): Promise<number | undefined> {
  if (moment === undefined && timestamps !== true) return undefined;
  const agent = await client.agent();
  if (agent === undefined)
    throw new ClientError(
      "unimplemented",
      "the agent is too old to know when it read the output: update it, or leave out --since and --timestamps",
    );
  if (moment === undefined) return undefined;
  return moment.kind === "at" ? moment.atMs : agent.now.getTime() - moment.agoMs;
}

/** Prints an event, or the rest of it. */
type Print = (report: Report, event: OutputEvent) => Promise<void>;

function printer({ timestamps = false, json = false }: LogsFlags, from: number | undefined): Print {
  const stamps = timestamps && !json ? new LineStamps() : undefined;
  return async (report, event) => {
    const shown = from === undefined ? event : since(event, from);
    if (shown === undefined) return;
    const isStamped = stamps !== undefined && shown.kind !== "gap";
    await reportEvent(report, isStamped ? stamps.stamp(shown) : shown);
  };
}

async function show(client: Client, info: ProcessInfo, flags: LogsFlags, print: Print): Promise<void> {
  const { follow = false, json = false, from, tail, since: moment, timestamps = false } = flags;
  const report = json ? jsonReport() : textReport();
  const connection = new ConnectionWatch(report);
  const remote = await client.attach(info.processId, {
    ...connection.options,
    fromOffset: from,
    // An observer must not change the process, or the output for other clients (rule 13).
    lag: "skip",
    times: timestamps || moment !== undefined,
  });
  await report.attached(remote, { isRaw: false, keys: "none" });
  const isToEnd = follow || info.exit !== undefined;
  // An observer that waits for the reader of stdout gets gaps, so the held output is read before it
  // is printed. With -f that would be for nothing: the output continues.
  if (!isToEnd || tail !== undefined) {
    const held = await readTo(remote, info.offset);
    if (!isToEnd) remote.detach();
    for (const event of tail === undefined ? held : lastLines(held, tail)) await print(report, event);
  }
  if (!isToEnd) return;
  for await (const event of remote) await print(report, event);
  await report.ended(await remote.exit);
}

async function readTo(remote: RemoteProcess, offset: number): Promise<OutputEvent[]> {
  const events: OutputEvent[] = [];
  if (remote.offset >= offset) return events;
  for await (const event of remote) {
    events.push(event);
    if (remote.offset >= offset) break;
  }
  return events;
}
