// GET /metrics/prometheus: one row for each of the agent's metrics, then Node's own. Loaded at the first scrape. Nothing is
// counted here: each row reads the agent's own numbers when it is scraped.

import type { Watchers, WatchStatistics } from "../filesystem/index.ts";
import type { Latencies, ProcessStatistics, ProcessTable } from "../process/index.ts";
import type { ClientStatistics } from "../rpc/index.ts";
import { NodeMetrics } from "./node-metrics.ts";
import { histogramSamples, type Metric, prometheusText, type Sample } from "./prometheus-text.ts";

export { PROMETHEUS_CONTENT_TYPE } from "./prometheus-text.ts";

export interface PrometheusOptions {
  readonly table: ProcessTable;
  readonly statistics: () => ClientStatistics;
  readonly connections: () => number;
  readonly watchers: Watchers;
  /** Uploads and downloads that run. */
  readonly transfers: () => number;
}

/** Everything that one scrape reads, so that its metrics fit together. */
interface Snapshot {
  readonly table: ProcessTable;
  readonly processes: ProcessStatistics;
  readonly clients: ClientStatistics;
  readonly connections: number;
  readonly watches: WatchStatistics;
  readonly transfers: number;
}

/** One value, one for each value of the row's label, or a histogram. */
type Reading = number | Readonly<Record<string, number>> | Latencies;

interface Row {
  readonly name: string;
  readonly type: Metric["type"];
  readonly help: string;
  /** Distinguishes the values of a reading. */
  readonly label?: string;
  readonly read: (snapshot: Snapshot) => Reading;
}

const ROWS: readonly Row[] = [
  {
    name: "processes",
    type: "gauge",
    help: "Processes the agent knows, by state.",
    label: "state",
    read: processStates,
  },
  {
    name: "processes_blocked",
    type: "gauge",
    help: "Processes stuck in a write because no client reads their output.",
    read: ({ table }) => table.list().filter(({ blockedMs }) => blockedMs !== undefined).length,
  },
  {
    name: "processes_started_total",
    type: "counter",
    help: "Processes started.",
    read: ({ processes }) => processes.started,
  },
  {
    name: "starts_refused_total",
    type: "counter",
    help: "Starts that were refused or failed.",
    read: ({ processes }) => processes.refused,
  },
  {
    name: "output_bytes_total",
    type: "counter",
    help: "Bytes of output read, by stream.",
    label: "stream",
    read: ({ processes }) => processes.outputBytes,
  },
  {
    name: "input_bytes_total",
    type: "counter",
    help: "Bytes of input accepted, by stream.",
    label: "stream",
    read: ({ processes }) => processes.inputBytes,
  },
  {
    name: "held_bytes",
    type: "gauge",
    help: "Memory of everything held for clients: output, waiting input, requests.",
    read: ({ table }) => table.memoryBudget.heldBytes,
  },
  {
    name: "request_bytes",
    type: "gauge",
    help: "The part of held_bytes that belongs to requests on their way.",
    read: ({ clients }) => clients.requestBytes,
  },
  {
    name: "memory_budget_bytes",
    type: "gauge",
    help: "--memory-budget.",
    read: ({ table }) => table.memoryBudget.bytes,
  },
  {
    name: "memory_budget_spent",
    type: "gauge",
    help: "1 while the budget is spent, otherwise 0.",
    read: ({ table }) => Number(table.memoryBudget.isSpent),
  },
  {
    name: "reads_paused",
    type: "gauge",
    help: "Running processes whose output the agent does not read now.",
    read: ({ table }) =>
      table.list().filter(({ output, isRunning }) => isRunning && !output.isReading).length,
  },
  {
    name: "read_pauses_total",
    type: "counter",
    help: "Times reading stopped because no client could accept the output.",
    read: ({ processes }) => processes.readPauses,
  },
  {
    name: "stalls_total",
    type: "counter",
    help: "Times a subscriber had to wait for a slower one.",
    read: ({ processes }) => processes.stalls,
  },
  {
    name: "subscribers",
    type: "gauge",
    help: "Streams attached to processes.",
    // Of processes that are no longer listed also.
    read: ({ clients: { attached, detached } }) =>
      attached - detached.end - detached.gone - detached.cut - detached.stopped,
  },
  {
    name: "attached_total",
    type: "counter",
    help: "Streams that were attached.",
    read: ({ clients }) => clients.attached,
  },
  {
    name: "detached_total",
    type: "counter",
    help: "Streams that were detached, by reason.",
    label: "reason",
    read: ({ clients }) => clients.detached,
  },
  {
    name: "cuts_total",
    type: "counter",
    help: "Subscribers disconnected because they made others wait.",
    read: ({ clients }) => clients.detached.cut,
  },
  {
    name: "resumes_total",
    type: "counter",
    help: "Streams attached with an offset.",
    read: ({ clients }) => clients.resumes,
  },
  {
    name: "gaps_total",
    type: "counter",
    help: "Gaps that subscribers received.",
    read: ({ clients }) => clients.gaps,
  },
  {
    name: "gap_bytes_total",
    type: "counter",
    help: "Bytes in these gaps.",
    read: ({ clients }) => clients.gapBytes,
  },
  {
    name: "refusals_total",
    type: "counter",
    help: "Requests refused, by code.",
    label: "code",
    read: ({ clients }) => clients.refusals,
  },
  {
    name: "connections",
    type: "gauge",
    help: "Open connections.",
    read: ({ connections }) => connections,
  },
  {
    name: "transfers",
    type: "gauge",
    help: "Uploads and downloads of files that run.",
    read: ({ transfers }) => transfers,
  },
  {
    name: "watchers",
    type: "gauge",
    help: "Watches of directories.",
    read: ({ watches }) => watches.watchers,
  },
  {
    name: "watched_directories",
    type: "gauge",
    help: "Directories that the kernel watches for all watches together.",
    read: ({ watches }) => watches.directories,
  },
  {
    name: "watch_queue_bytes",
    type: "gauge",
    help: "The part of held_bytes that belongs to events of watches.",
    read: ({ watches }) => watches.heldBytes,
  },
  {
    name: "watch_events_total",
    type: "counter",
    help: "Events of watches, each counted once for each watch.",
    read: ({ watches }) => watches.events,
  },
  {
    name: "watch_rescans_total",
    type: "counter",
    help: "Events that say that others are missing, because a queue was full.",
    read: ({ watches }) => watches.rescans,
  },
  {
    name: "start_seconds",
    type: "histogram",
    help: "From a request to its started process.",
    read: ({ processes }) => processes.startLatencies,
  },
  {
    name: "drain_seconds",
    type: "histogram",
    help: "From a process's exit to the end of its output.",
    read: ({ processes }) => processes.drainLatencies,
  },
];

/** Of this program, so one for all: it measures the garbage collector and the event loop from the first scrape on. */
let nodeMetrics: NodeMetrics | undefined;

/** The text of one scrape. */
export async function prometheusMetrics(options: PrometheusOptions): Promise<string> {
  nodeMetrics ??= new NodeMetrics();
  const node = await nodeMetrics.read();
  const snapshot: Snapshot = {
    table: options.table,
    processes: options.table.statistics(),
    clients: options.statistics(),
    connections: options.connections(),
    watches: options.watchers.statistics(),
    transfers: options.transfers(),
  };
  return prometheusText([...node, ...ROWS.map((row) => metricOf(row, snapshot))]);
}

function metricOf({ name, type, help, label = "", read }: Row, snapshot: Snapshot): Metric {
  return { name: `holdfast_${name}`, type, help, samples: samplesOf(label, read(snapshot)) };
}

function samplesOf(label: string, reading: Reading): readonly Sample[] {
  if (typeof reading === "number") return [{ value: reading }];
  if (isHistogram(reading)) return histogramSamples(reading);
  return Object.entries(reading).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function isHistogram(reading: Exclude<Reading, number>): reading is Latencies {
  return "cumulative" in reading && typeof reading.cumulative === "object";
}

function processStates({ table }: Snapshot): Reading {
  const live = table.list();
  const running = live.filter(({ isRunning }) => isRunning).length;
  return { running, draining: live.length - running, retained: table.listEnded().length };
}
