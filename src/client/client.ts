// A client of one agent: its calls, each composed of the parts beside this file.

import type { Settings } from "./client-settings.ts";
import { newFiles } from "./files/files.ts";
import { startHeaders, toConnectMessage, toProcessInfo, toStartMessage } from "./messages.ts";
import type { OpenStream } from "./output/event-stream.ts";
import { type Opening, Output } from "./output/output.ts";
import type { EarlierPosition } from "./output/output-position.ts";
import { describeAgent, listChanges, listProcesses } from "./process/process-list.ts";
import { AttachedProcess } from "./process/remote-process.ts";
import { sendSignal } from "./process/send-signal.ts";
import { AgentLink, type Connection } from "./transport/connection.ts";
import type {
  AttachOptions,
  Client,
  ListOptions,
  ProcessInfo,
  ProcessOptions,
  RemoteProcess,
  Selector,
  StartRequest,
} from "./types.ts";

export function newClient(connection: Connection, settings: Settings): Client {
  const link = new AgentLink(connection, settings);
  return {
    start: (request, options = {}) => start(link, request, options),
    attach: (selector, options = {}) => attach(link, selector, options),
    list: (options = {}) => list(link, options),
    files: newFiles(link),
    changes: (options = {}) => listChanges(link, options),
    agent: ({ signal } = {}) => describeAgent(link, signal),
    signal: (selector, name, options) => sendSignal(link, selector, name, options),
    reconnectNow: () => link.reconnectNow(),
    close: () => link.close(),
  };
}

async function start(
  link: AgentLink,
  request: StartRequest,
  options: ProcessOptions,
): Promise<RemoteProcess> {
  const startId = request.startId ?? link.settings.randomId();
  const message = toStartMessage(request, startId, options.onSize !== undefined);
  const terms = {
    ...(options.onSize === undefined ? {} : { onSize: options.onSize }),
    ...(request.endOnly === true ? { endOnly: true } : {}),
  };
  const headers = startHeaders(request.user ?? link.settings.user, request.timeoutMs);
  return begin(link, options, {
    open: (rpc, call) => rpc.start(message, { ...call, headers: { ...call.headers, ...headers } }),
    resume: (processId, position) => connect(processId, { ...resumeOptions(position), ...terms }),
    mayTimeOut: request.timeoutMs !== undefined,
  });
}

async function attach(link: AgentLink, selector: Selector, options: AttachOptions): Promise<RemoteProcess> {
  // First, so that an invalid request fails without a call.
  const asAsked = connect(selector, options);
  const place = options.fromOffset === undefined ? await findPlace(link, selector, options) : undefined;
  return begin(link, options, {
    open: place === undefined ? asAsked : connect(place.processId, { ...options, ...place }),
    resume: (processId, position) => connect(processId, { ...options, ...resumeOptions(position) }),
    from: earlierPosition(options),
    mayTimeOut: false,
  });
}

/**
 * Asks for the first offset before attaching. The agent counts output as delivered when a
 * connection accepts it. If the first connection broke before its start event arrived, the next one
 * would start after the output that was lost with it. Undefined if the agent knows no such process:
 * its own answer to Connect says so best.
 */
async function findPlace(link: AgentLink, selector: Selector, { signal }: AttachOptions) {
  const query = { selector, omitConfig: true, signals: [signal] };
  // Of several matching processes the agent chooses the last one.
  const found = (await listProcesses(link, query)).at(-1);
  // An agent that gives no process_id is refused by the attachment.
  if (found === undefined || found.processId === "") return undefined;
  return { processId: found.processId, fromOffset: Number(found.attachOffset) };
}

function earlierPosition({ fromOffset, generation }: AttachOptions): EarlierPosition | undefined {
  return fromOffset === undefined || generation === undefined
    ? undefined
    : { offset: fromOffset, generation };
}

/** Old agents send no generation, and get none. */
function resumeOptions({ offset, generation }: EarlierPosition): AttachOptions {
  return { fromOffset: offset, ...(generation === "" ? {} : { generation }) };
}

async function begin(
  link: AgentLink,
  options: ProcessOptions,
  opening: Omit<Opening, "findHead">,
): Promise<RemoteProcess> {
  const findHead = async (processId: string, signal: AbortSignal) => {
    const [info] = await listProcesses(link, { selector: processId, omitConfig: true, signals: [signal] });
    return info && Number(info.offset);
  };
  const output = new Output(link, { ...opening, findHead }, options);
  return new AttachedProcess(link, output, await output.begin());
}

function connect(selector: Selector, options: AttachOptions): OpenStream {
  const message = toConnectMessage(selector, options);
  return (rpc, call) => rpc.connect(message, call);
}

async function list(
  link: AgentLink,
  { includeEnded = false, process, omitConfig = false, usage = false, signal }: ListOptions,
): Promise<ProcessInfo[]> {
  const all = await listProcesses(link, { selector: process, omitConfig, usage, signals: [signal] });
  return all.map(toProcessInfo).filter(({ exit }) => includeEnded || exit === undefined);
}
