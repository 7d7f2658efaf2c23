// Answers List. Its work and its answer are bounded (rule 15), however many processes there are and however large their
// arguments: a client that knows pages gets pages, and an old client gets shortened arguments once they are too many.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AgentInfo,
  AgentInfoSchema,
  type ListRequest,
  type ProcessConfig,
  type ProcessInfo,
  ProcessUsageSchema,
} from "../../gen/process_pb.ts";
import type { Grant } from "../../http/index.ts";
import type { ListedProcess, Process, ProcessSelector, ProcessTable } from "../../process/index.ts";
import { clip } from "../../text.ts";
import { toConfig, toDetails, toProcessInfo, toSelector } from "./conversions.ts";
import { type ChangesSince, ListChanges, type SeenChange } from "./list-changes.ts";
import { type SeenProcesses, seenBy } from "./seen-processes.ts";

/** The most processes in a page. */
const MAX_PAGE_SIZE = 1000;
/** A page ends before the process whose configuration exceeds this. One process always fits. */
const MAX_PAGE_BYTES = 1024 * 1024;
/** In an answer without pages, as much configuration is complete. gRPC clients accept messages of 4 MiB. */
const MAX_COMPLETE_BYTES = 2 * 1024 * 1024;
/** After that, as much of each configuration is shown. */
const SHORTENED_BYTES = 1024;

/** Without their type names, which the library adds. */
export interface ProcessList {
  readonly processes: ProcessInfo[];
  readonly nextPageToken?: string;
  readonly agent?: AgentInfo;
  readonly revision?: bigint;
  readonly complete?: boolean;
  readonly removed?: string[];
}

export interface ListSettings {
  readonly table: ProcessTable;
  /** The agent's. */
  readonly version: string;
  /** How many connections clients have. */
  readonly connections: () => number;
}

/** `grant` is the client's: processes that its token does not see are left out. */
export async function listProcesses(
  settings: ListSettings,
  request: ListRequest,
  grant: Grant,
): Promise<ProcessList> {
  const table = seenBy(grant, settings.table);
  // Old clients send none of these fields, do not know pages, and must not see the additions.
  const knowsAdditions =
    request.includeEnded ||
    request.process !== undefined ||
    request.omitConfig ||
    request.pageSize > 0 ||
    request.pageToken !== "" ||
    request.usage ||
    request.agent ||
    request.sinceRevision !== undefined;
  if (!knowsAdditions) return { processes: all(table, configFor(grant)) };
  const changed =
    request.sinceRevision === undefined
      ? undefined
      : changesFor(settings, grant).since(request.sinceRevision);
  const { found, nextPageToken } = page(
    table,
    settings.table.lastPosition,
    request,
    changed,
    configFor(grant),
  );
  const infos = found.map(({ info }) => info);
  if (request.usage) await addUsage(found);
  return {
    processes: endedFirst(infos),
    ...(nextPageToken === undefined ? {} : { nextPageToken }),
    ...(request.agent ? { agent: agentInfo(settings, grant) } : {}),
    ...(changed === undefined ? {} : changesOf(changed, request)),
  };
}

function changesOf({ revision, changes }: ChangesSince, request: ListRequest) {
  return {
    revision,
    complete: changes === undefined,
    removed: request.pageToken === "" ? removedIn(changes ?? [], request) : [],
  };
}

/** An ended process is removed from a list without ended ones. */
function removedIn(changes: readonly SeenChange[], request: ListRequest): string[] {
  const matches = matcherOf(request);
  return changes
    .filter(({ process }) => process === undefined || !(request.includeEnded || isLive(process)))
    .filter(({ listed }) => matches(listed))
    .map(({ listed: { processId } }) => processId);
}

function isLive({ output }: Process): boolean {
  return output.end === undefined;
}

/** A token that is limited has its own: its revisions must not show that other processes changed. */
const changesOfGrants = new WeakMap<ProcessTable, WeakMap<Grant | ProcessTable, ListChanges>>();

function changesFor({ table }: ListSettings, grant: Grant): ListChanges {
  const ofTable = changesOfGrants.get(table) ?? new WeakMap<Grant | ProcessTable, ListChanges>();
  changesOfGrants.set(table, ofTable);
  const isLimited = grant.processes !== undefined;
  const key = isLimited ? grant : table;
  const sees = isLimited ? (process: ListedProcess) => grant.sees(process) : () => true;
  const changes = ofTable.get(key) ?? new ListChanges(table, sees);
  ofTable.set(key, changes);
  return changes;
}

interface Listed {
  readonly process: Process;
  readonly info: ProcessInfo;
}

async function addUsage(found: readonly Listed[]): Promise<void> {
  // One after the other: a page of 1,000 processes must not occupy all threads that other look-ups need.
  for (const { process, info } of found) {
    const usage = await process.usage();
    if (usage === undefined) continue;
    const { cpuMs, residentBytes, processes } = usage;
    info.usage = create(ProcessUsageSchema, {
      cpuMs: BigInt(cpuMs),
      residentBytes: BigInt(residentBytes),
      processes,
    });
  }
}

function agentInfo({ table, version, connections }: ListSettings, grant: Grant): AgentInfo {
  const { bytes, heldBytes, isSpent } = table.memoryBudget;
  const nowMs = Date.now();
  const startedAtMs = Math.round(nowMs - process.uptime() * 1000);
  const itself = {
    version,
    startedAtMs: BigInt(startedAtMs),
    nowMs: BigInt(nowMs),
    instanceId: table.generation.id,
  };
  // The rest shows what other processes and clients do.
  if (grant.processes !== undefined) return create(AgentInfoSchema, itself);
  return create(AgentInfoSchema, {
    ...itself,
    budgetBytes: BigInt(bytes),
    heldBytes: BigInt(heldBytes),
    budgetSpent: isSpent,
    residentBytes: BigInt(process.memoryUsage.rss()),
    connections: connections(),
  });
}

type ConfigOf = (process: Process) => ProcessConfig;

/** Variables often hold passwords: a token that only observes does not see them. */
function configFor(grant: Grant): ConfigOf {
  if (grant.covers("admin")) return toConfig;
  return (process) => ({ ...toConfig(process), envs: {} });
}

function all(table: SeenProcesses, configOf: ConfigOf): ProcessInfo[] {
  let shownBytes = 0;
  return table.list().map((process) => {
    const info = toProcessInfo(process);
    shownBytes += configBytes(process);
    if (shownBytes <= MAX_COMPLETE_BYTES) return { ...info, config: configOf(process) };
    return { ...info, config: shortened(configOf(process)) };
  });
}

function page(
  table: SeenProcesses,
  lastPosition: number,
  request: ListRequest,
  changed: ChangesSince | undefined,
  configOf: ConfigOf,
): { readonly found: Listed[]; readonly nextPageToken?: string } {
  const matches = matcherOf(request);
  const after = toPosition(request.pageToken, lastPosition);
  const size = Math.min(request.pageSize === 0 ? MAX_PAGE_SIZE : request.pageSize, MAX_PAGE_SIZE);
  const candidates = inOrder(
    changed?.changes === undefined
      ? everyProcess(table, request.includeEnded)
      : changedProcesses(changed.changes, request.includeEnded),
    (process) => process.position > after && matches(process),
  );
  const found: Listed[] = [];
  let bytes = 0;
  let last = after;
  for (const process of candidates) {
    bytes += request.omitConfig ? 0 : configBytes(process);
    const isFull = found.length === size || (bytes > MAX_PAGE_BYTES && found.length > 0);
    if (isFull) return { found, nextPageToken: String(last) };
    const config = request.omitConfig ? {} : { config: configOf(process) };
    found.push({ process, info: { ...toProcessInfo(process), ...config, ...toDetails(process) } });
    last = process.position;
  }
  return { found };
}

function endedFirst(processes: readonly ProcessInfo[]): ProcessInfo[] {
  const hasEnded = ({ end }: ProcessInfo) => end !== undefined;
  return [...processes.filter(hasEnded), ...processes.filter((process) => !hasEnded(process))];
}

function everyProcess(table: SeenProcesses, includeEnded: boolean): Process[] {
  return includeEnded ? [...table.listEnded(), ...table.list()] : table.list();
}

function changedProcesses(changes: readonly SeenChange[], includeEnded: boolean): Process[] {
  const found: Process[] = [];
  for (const { process } of changes)
    if (process !== undefined && (includeEnded || isLive(process))) found.push(process);
  return found;
}

/** By position, which is about the order in which they started. */
function inOrder(processes: readonly Process[], isListed: (process: Process) => boolean): Process[] {
  return processes.filter(isListed).sort((a, b) => a.position - b.position);
}

/**
 * The token is the position of the last process of a page. It stays when the process ends, and a process that starts later
 * has a later one, so that pages neither repeat nor omit a process that is there all the time.
 */
function toPosition(pageToken: string, lastPosition: number): number {
  if (pageToken === "") return 0;
  if (/^[1-9]\d{0,14}$/.test(pageToken) && Number(pageToken) <= lastPosition) return Number(pageToken);
  throw new ConnectError(
    `page_token "${clip(pageToken)}" is not one of this agent; send next_page_token of the page before`,
    Code.InvalidArgument,
  );
}

function matcherOf({ process: wanted }: ListRequest): (process: ListedProcess) => boolean {
  if (wanted === undefined) return () => true;
  const selector = toSelector(wanted);
  return (process) => isSelected(process, selector);
}

/** A tag may select several processes here. */
function isSelected({ pid, processId, request }: ListedProcess, selector: ProcessSelector): boolean {
  if (selector.kind === "pid") return pid === selector.pid;
  return selector.kind === "tag" ? request.tag === selector.tag : processId === selector.processId;
}

const sizes = new WeakMap<Process, number>();

/** The characters of the configuration. Counted once: a process may have a million arguments. */
function configBytes(process: Process): number {
  const known = sizes.get(process);
  if (known !== undefined) return known;
  const { cmd, args, environment } = process.request;
  let bytes = cmd.length;
  for (const argument of args) bytes += argument.length + 1;
  for (const [name, value] of Object.entries(environment)) bytes += name.length + value.length + 2;
  sizes.set(process, bytes);
  return bytes;
}

/** The beginning of the arguments, with a note that the rest is not shown; no variables unless everything fits. */
function shortened(config: ProcessConfig): ProcessConfig {
  let shownBytes = config.cmd.length;
  let shown = 0;
  for (const argument of config.args) {
    shownBytes += argument.length + 1;
    if (shownBytes > SHORTENED_BYTES) break;
    shown++;
  }
  const variables = Object.keys(config.envs).length;
  if (shown === config.args.length && variables === 0) return config;
  const note = `… (${config.args.length - shown} arguments and ${variables} variables are not shown; List with page_size shows them)`;
  return { ...config, args: [...config.args.slice(0, shown), note], envs: {} };
}
