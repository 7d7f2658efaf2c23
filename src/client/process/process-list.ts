// Lists processes: all of them, or those that a selector matches. Follows the pages of the answer,
// and filters the answer, because older agents ignore the selector and send everything in one page.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ListRequestSchema, ProcessInfo as WireProcessInfo } from "../../gen/process_pb.ts";
import { ClientError } from "../client-errors.ts";
import { isSelected, toAgentInfo, toProcessInfo, toSelectorMessage } from "../messages.ts";
import { callWithRetries } from "../retry/retried-call.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { AgentInfo, ChangesOptions, ProcessChanges, Selector } from "../types.ts";

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
  const { agent } = await listOnce(link, message, [signal]);
  return toAgentInfo(agent);
}

/** The processes that changed since the client's last answer, over as many pages as they need. */
export async function listChanges(
  link: AgentLink,
  { since = 0n, includeEnded = false, omitConfig = false, agent = false, signal }: ChangesOptions,
): Promise<ProcessChanges> {
  // An agent that is too old to know since_revision sends the additions because of include_ended.
  const message = { includeEnded: true, omitConfig, sinceRevision: since };
  const first = await listOnce(link, { ...message, agent }, [signal]);
  const processes = [...first.processes];
  for (let { nextPageToken } = first; nextPageToken !== ""; ) {
    const page = await listOnce(link, { ...message, pageToken: nextPageToken }, [signal]);
    processes.push(...page.processes);
    nextPageToken = page.nextPageToken === nextPageToken ? "" : page.nextPageToken;
  }
  const isShown = ({ end }: WireProcessInfo) => includeEnded || end === undefined;
  const hidden = processes.filter((info) => !isShown(info)).map(({ processId }) => processId);
  const isComplete = first.complete || first.revision === 0n;
  const described = toAgentInfo(first.agent);
  return {
    processes: processes.filter(isShown).map(toProcessInfo),
    removed: isComplete ? [] : [...first.removed, ...hidden],
    isComplete,
    revision: first.revision,
    ...(described === undefined ? {} : { agent: described }),
  };
}

function listOnce(
  link: AgentLink,
  message: MessageInitShape<typeof ListRequestSchema>,
  signals: readonly (AbortSignal | undefined)[],
) {
  return callWithRetries(link, {
    send: (rpc, options) => rpc.list(message, options),
    signals,
    patienceMs: link.settings.callRetryMs,
  });
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
  return listOnce(link, message, signals);
}
