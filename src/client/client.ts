// A client of one agent: its calls, each made of the parts beside this file.

import type { ProcessInfo as WireProcessInfo } from "../gen/process_pb.ts";
import { AgentLink, type Connection } from "./connection.ts";
import type { OpenStream } from "./event-stream.ts";
import { isSelected, startHeaders, toConnectMessage, toProcessInfo, toStartMessage } from "./messages.ts";
import { type Opening, Output } from "./output.ts";
import { randomId } from "./random-id.ts";
import { AttachedProcess } from "./remote-process.ts";
import { call } from "./retried-call.ts";
import { sendSignal } from "./send-signal.ts";
import type { Settings } from "./settings.ts";
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
    signal: (selector, name, options) => sendSignal(link, selector, name, options),
    close: () => link.close(),
  };
}

async function start(
  link: AgentLink,
  request: StartRequest,
  options: ProcessOptions,
): Promise<RemoteProcess> {
  const message = toStartMessage(request, request.startId ?? randomId());
  const headers = startHeaders(request.user ?? link.settings.user, request.timeoutMs);
  return begin(link, options, {
    open: (rpc, call) => rpc.start(message, { ...call, headers: { ...call.headers, ...headers } }),
    resume: (processId, fromOffset) => connect(processId, { fromOffset }),
    mayTimeOut: request.timeoutMs !== undefined,
  });
}

async function attach(link: AgentLink, selector: Selector, options: AttachOptions): Promise<RemoteProcess> {
  // First, so that what no agent could take is refused without asking one.
  const asAsked = connect(selector, options);
  const place = options.fromOffset === undefined ? await findPlace(link, selector, options) : undefined;
  return begin(link, options, {
    open: place === undefined ? asAsked : connect(place.processId, { ...options, ...place }),
    resume: (processId, fromOffset) => connect(processId, { ...options, fromOffset }),
    mayTimeOut: false,
  });
}

/**
 * Where to begin, asked for before: what a connection was handed counts as delivered, so if the first one broke before it
 * said where it began, the next would begin after what was lost with it. Undefined where the agent knows no such process,
 * which it then says in its own words.
 */
async function findPlace(link: AgentLink, selector: Selector, { signal }: AttachOptions) {
  const found = (await listAll(link, signal)).findLast(isSelected(selector));
  // An agent that gives no process_id will be refused when it is attached to.
  if (found === undefined || found.processId === "") return undefined;
  return { processId: found.processId, fromOffset: Number(found.attachOffset) };
}

async function begin(link: AgentLink, options: ProcessOptions, opening: Opening): Promise<RemoteProcess> {
  const output = new Output(link, opening, options);
  return new AttachedProcess(link, output, await output.begin());
}

function connect(selector: Selector, options: AttachOptions): OpenStream {
  const message = toConnectMessage(selector, options);
  return (rpc, call) => rpc.connect(message, call);
}

async function list(link: AgentLink, { includeEnded, signal }: ListOptions): Promise<ProcessInfo[]> {
  const all = (await listAll(link, signal)).map(toProcessInfo);
  return includeEnded === true ? all : all.filter(({ exit }) => exit === undefined);
}

/** The retained ones, then the live ones, each in the order of time. */
async function listAll(link: AgentLink, signal: AbortSignal | undefined): Promise<WireProcessInfo[]> {
  const { processes } = await call(link, {
    // Always, because without it the agent says no more than E2B's does.
    send: (rpc, options) => rpc.list({ includeEnded: true }, options),
    signals: [signal],
    patienceMs: link.settings.callRetryMs,
  });
  return processes;
}
