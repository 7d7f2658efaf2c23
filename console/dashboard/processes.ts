// The list of processes, requested once a second while the page is visible. Only one request at a
// time; after the first one the agent sends only changes. The use of the machine is requested less often: the agent
// reads several files for it.

import { signal } from "@preact/signals";
import type { AgentInfo, ProcessInfo } from "../../src/client/page-client.ts";
import { isVisible } from "../session/attention.ts";
import { sessionLost } from "../session/begin.ts";
import { agentUrl, tokenHeaders } from "../session/session.ts";
import { client, isLimited, login, route, wasRestarted } from "../session/state.ts";
import { Rates } from "./rates.ts";

const POLL_MS = 1_000;
const MACHINE_POLLS = 3;

export interface Machine {
  readonly cpu_used_pct: number;
  readonly cpu_count: number;
  readonly mem_total: number;
  readonly mem_used: number;
  readonly disk_total: number;
  readonly disk_used: number;
}

export const processes = signal<readonly ProcessInfo[]>([]);
export const agent = signal<AgentInfo | undefined>(undefined);
export const machine = signal<Machine | undefined>(undefined);
/** When the last answer arrived; undefined before the first one. */
export const answeredAt = signal<number | undefined>(undefined);
/** Set while the agent does not answer: since when. */
export const silentSince = signal<number | undefined>(undefined);
export const rates = new Rates();

let revision: bigint | undefined;
let instance: string | undefined;
let isPolling = false;
let pollsToMachine = 0;
let lookers = 0;

/** The list is polled while one of its lookers is there. Returns the function that ends the look. */
export function look(): () => void {
  lookers++;
  void poll();
  return () => {
    lookers--;
  };
}

export function beginPolling(): void {
  setInterval(() => void poll(), POLL_MS);
  isVisible.subscribe((visible) => visible && void poll());
  client.subscribe(() => forget());
}

async function poll(): Promise<void> {
  const from = client.value;
  if (from === undefined || isPolling || lookers === 0 || !isVisible.value) return;
  isPolling = true;
  try {
    const signal = AbortSignal.timeout(8_000);
    const answer = await from.changes({
      includeEnded: true,
      agent: true,
      since: revision ?? 0n,
      signal,
    });
    if (client.value === from) take(answer);
    if (!isLimited.value && route.value.page === "processes" && --pollsToMachine < 0) {
      pollsToMachine = MACHINE_POLLS - 1;
      await readMachine(signal);
    }
  } catch (error) {
    if ((error as { code?: string }).code === "unauthenticated") sessionLost();
    else silentSince.value ??= Date.now();
  } finally {
    isPolling = false;
  }
}

function take(answer: Awaited<ReturnType<NonNullable<typeof client.value>["changes"]>>): void {
  const now = Date.now();
  const known = new Map(answer.isComplete ? [] : processes.value.map((info) => [info.processId, info]));
  for (const info of answer.processes) known.set(info.processId, info);
  for (const processId of answer.removed) known.delete(processId);
  for (const { processId, offset, exit } of known.values())
    if (exit === undefined) rates.add(processId, offset, now);
  rates.keep(new Set(known.keys()));
  const next = answer.agent?.instanceId;
  if (instance !== undefined && next !== undefined && next !== instance) wasRestarted.value = true;
  instance = next ?? instance;
  revision = answer.revision;
  processes.value = [...known.values()];
  agent.value = answer.agent;
  answeredAt.value = now;
  silentSince.value = undefined;
}

async function readMachine(signal: AbortSignal): Promise<void> {
  const token = login.value.kind === "in" ? login.value.token : undefined;
  const response = await fetch(`${agentUrl()}/metrics`, { headers: tokenHeaders(token), signal });
  if (response.ok) machine.value = (await response.json()) as Machine;
}

function forget(): void {
  revision = undefined;
  pollsToMachine = 0;
  processes.value = [];
  answeredAt.value = undefined;
  silentSince.value = undefined;
}
