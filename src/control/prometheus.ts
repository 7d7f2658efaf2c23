// GET /metrics/prometheus. Loaded when somebody first asks: it takes time and memory. Nothing is counted here: each metric is read
// from the agent's own numbers when it is scraped.

import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValueWithName,
  Registry,
} from "prom-client";
import type { Latencies, ProcessStatistics, ProcessTable } from "../process/index.ts";
import type { ServerStatistics } from "../rpc/index.ts";

export interface PrometheusOptions {
  readonly table: ProcessTable;
  readonly statistics: ServerStatistics;
  readonly connections: () => number;
}

/** One value for each set of labels, or one alone. */
type Reading = number | Readonly<Record<string, number>>;

/** How often Node's event loop is looked at, in ms. */
const EVENT_LOOP_PRECISION_MS = 50;

/** An agent has one of each. */
const registries = new WeakMap<PrometheusOptions, Registry>();

export async function exposition(
  options: PrometheusOptions,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const registry = registries.get(options) ?? createRegistry(options);
  registries.set(options, registry);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function createRegistry({ table, statistics: server, connections }: PrometheusOptions): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });
  let processes = table.statistics();
  const processCount = (name: string, help: string, read: (statistics: ProcessStatistics) => Reading) =>
    addCounter(registry, { name, help }, () => read(processes));
  addGauge(
    registry,
    { name: "processes", help: "Processes the agent knows, by state.", label: "state" },
    () => {
      // The first of its metrics: what the others read of one scrape fits together.
      processes = table.statistics();
      return processStates(table);
    },
  );
  processCount("processes_started_total", "Processes started.", ({ started }) => started);
  processCount("starts_refused_total", "Starts that were refused or failed.", ({ refused }) => refused);
  addCounter(
    registry,
    { name: "output_bytes_total", help: "Bytes of output read, by stream.", label: "stream" },
    () => processes.outputBytes,
  );
  addCounter(
    registry,
    { name: "input_bytes_total", help: "Bytes of input accepted, by stream.", label: "stream" },
    () => processes.inputBytes,
  );
  addGauge(
    registry,
    { name: "held_bytes", help: "Memory of the output held for all processes." },
    () => table.memoryBudget.heldBytes,
  );
  addGauge(
    registry,
    { name: "memory_budget_bytes", help: "--memory-budget." },
    () => table.memoryBudget.bytes,
  );
  addGauge(registry, { name: "memory_budget_spent", help: "1 while the budget is spent." }, () =>
    Number(table.memoryBudget.isSpent),
  );
  addGauge(
    registry,
    { name: "reads_paused", help: "Running processes whose output is not being read." },
    () => table.list().filter(({ output, isRunning }) => isRunning && !output.isReading).length,
  );
  processCount(
    "read_pauses_total",
    "Times reading stopped because nobody could take the output.",
    ({ readPauses }) => readPauses,
  );
  processCount("stalls_total", "Times a subscriber had to wait for a slower one.", ({ stalls }) => stalls);
  addGauge(registry, { name: "subscribers", help: "Streams attached to processes." }, () =>
    [...table.list(), ...table.listEnded()].reduce((sum, { output }) => sum + output.subscriberCount, 0),
  );
  addCounter(
    registry,
    { name: "attached_total", help: "Streams that were attached." },
    () => server.attached,
  );
  addCounter(
    registry,
    { name: "detached_total", help: "Streams that were detached, by reason.", label: "reason" },
    () => server.detached,
  );
  addCounter(
    registry,
    { name: "cuts_total", help: "Subscribers cut because they held up others." },
    () => server.detached.cut,
  );
  addCounter(
    registry,
    { name: "resumes_total", help: "Streams attached with an offset." },
    () => server.resumes,
  );
  addCounter(registry, { name: "gaps_total", help: "Gaps subscribers met." }, () => server.gaps);
  addCounter(
    registry,
    { name: "gap_bytes_total", help: "Bytes those gaps left out." },
    () => server.gapBytes,
  );
  addCounter(
    registry,
    { name: "refusals_total", help: "Requests refused, by code.", label: "code" },
    () => server.refusals,
  );
  addGauge(registry, { name: "connections", help: "Open connections." }, connections);
  addLatencies(
    registry,
    "start_seconds",
    "From a request to its started process.",
    () => processes.startLatencies,
  );
  addLatencies(
    registry,
    "drain_seconds",
    "From a process's exit to the end of its output.",
    () => processes.drainLatencies,
  );
  return registry;
}

function processStates(table: ProcessTable): Reading {
  const live = table.list();
  const running = live.filter(({ isRunning }) => isRunning).length;
  return { running, draining: live.length - running, retained: table.listEnded().length };
}

interface Description {
  readonly name: string;
  readonly help: string;
  /** The one that tells a reading's values apart. */
  readonly label?: string;
}

function addGauge(registry: Registry, description: Description, read: () => Reading): void {
  const { label } = description;
  new Gauge({
    ...configuration(registry, description),
    collect() {
      this.reset();
      for (const [labels, value] of labelled(label, read())) this.set(labels, value);
    },
  });
}

function addCounter(registry: Registry, description: Description, read: () => Reading): void {
  const { label } = description;
  new Counter({
    ...configuration(registry, description),
    collect() {
      this.reset();
      for (const [labels, value] of labelled(label, read())) this.inc(labels, value);
    },
  });
}

function configuration(registry: Registry, { name, help, label }: Description) {
  const labelNames = label === undefined ? [] : [label];
  return { name: `holdfast_${name}`, help, labelNames, registers: [registry] };
}

function labelled(label: string | undefined, reading: Reading): [Record<string, string>, number][] {
  if (typeof reading === "number") return [[{}, reading]];
  return Object.entries(reading).map(([value, count]) => [{ [label ?? "of"]: value }, count]);
}

/** A histogram that is counted elsewhere. */
class ReadHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #read: () => Latencies;

  constructor(registry: Registry, name: string, help: string, read: () => Latencies) {
    super({ name, help, registers: [registry] });
    this.#name = name;
    this.#help = help;
    this.#read = read;
  }

  /** What the library calls for its text format; its types do not know it. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { bounds, cumulative, count, sum } = this.#read();
    const bucket = (le: number | string, value: number) => ({
      labels: { le },
      value,
      metricName: `${this.#name}_bucket`,
    });
    return {
      name: this.#name,
      help: this.#help,
      // As Registry.metrics() writes it; the enum that the types ask for is of another kind than what the library returns.
      type: "histogram" as never,
      aggregator: "sum",
      collect: () => undefined,
      values: [
        ...bounds.map((bound, index) => bucket(bound, cumulative[index] ?? 0)),
        bucket("+Inf", count),
        { labels: {}, value: sum, metricName: `${this.#name}_sum` },
        { labels: {}, value: count, metricName: `${this.#name}_count` },
      ],
    };
  }
}

function addLatencies(registry: Registry, name: string, help: string, read: () => Latencies): void {
  new ReadHistogram(registry, `holdfast_${name}`, help, read);
}
