// Lists processes: all of them, or those that a selector matches. Follows the pages of the answer, and filters
// what comes back, because older agents ignore the selector and send everything in one page.

import type { ProcessInfo as WireProcessInfo } from "../gen/process_pb.ts";
import { ClientError } from "./client-errors.ts";
import type { AgentLink } from "./connection.ts";
import { isSelected, toSelectorMessage } from "./messages.ts";
import { callWithRetries } from "./retried-call.ts";
import type { AgentInfo, Selector } from "./types.ts";

export interface ListQuery {
  /** Default: all processes. */
  readonly selector?: Selector | undefined;
  /** Leaves out command, arguments and environment, which can be large. */
  readonly omitConfig: boolean;
  readonly usage?: boolean;
  readonly signals: readonly (AbortSignal | undefined)[];
}

/** Retained processes first, then live ones, each group ordered by start. */
export async function listProcesses(link: AgentLink, query: ListQuery): Promise<WireProcessInfo[]> {
  // By process_id: a process that ends between two pages may be on both.
  const found = new Map<string | number, WireProcessInfo>();
  let pageToken = "";
  do {
    const page = await listPage(link, query, pageToken);
    for (const info of page.processes) found.set(info.processId === "" ? info.pid : info.processId, info);
    if (page.nextPageToken !== "" && page.nextPageToken === pageToken)
      throw new ClientError("data_loss", `the agent sent the same page of processes twice (${pageToken})`);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  const all = [...found.values()].filter(
    query.selector === undefined ? () => true : isSelected(query.selector),
  );
  // Each page has its own ended processes first.
  const hasEnded = ({ end }: WireProcessInfo) => end !== undefined;
  return [...all.filter(hasEnded), ...all.filter((info) => !hasEnded(info))];
}

/** Asks for no process: the smallest list that there is. */
export async function describeAgent(link: AgentLink, signal?: AbortSignal): Promise<AgentInfo | undefined> {
  const message = { agent: true, includeEnded: true, omitConfig: true, pageSize: 1 };
  const { agent } = await callWithRetries(link, {
    send: (rpc, options) => rpc.list(message, options),
    signals: [signal],
    patienceMs: link.settings.callRetryMs,
  });
  if (agent === undefined) return undefined;
  const { version, startedAtMs, nowMs } = agent;
  return { version, startedAt: new Date(Number(startedAtMs)), now: new Date(Number(nowMs)) };
}

function listPage(
  link: AgentLink,
  { selector, omitConfig, usage = false, signals }: ListQuery,
  pageToken: string,
) {
  const message = {
    // Always, because without this field the agent answers with E2B's fields only.
    includeEnded: true,
    omitConfig,
    usage,
    pageToken,
    ...(selector === undefined ? {} : { process: toSelectorMessage(selector) }),
  };
  return callWithRetries(link, {
    send: (rpc, options) => rpc.list(message, options),
    signals,
    patienceMs: link.settings.callRetryMs,
  });
}
