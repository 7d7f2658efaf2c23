// The metrics of the program itself: CPU, memory, descriptors, V8's heap, garbage collection and the event loop. Names and
// meanings are those of the library prom-client, which dashboards for Node.js know.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import { histogramSamples, type Metric, type Sample } from "./prometheus-text.ts";

/** How often the event loop's delay is sampled, in ms. */
const EVENT_LOOP_PRECISION_MS = 50;

const GC_BOUNDS = [0.001, 0.01, 0.1, 1, 2, 5];
/** By perf_hooks' constants. */
const GC_KINDS: Readonly<Record<number, string>> = { 1: "minor", 4: "major", 8: "incremental", 16: "weakcb" };

/** Measures the event loop and garbage collection from its construction on. */
export class NodeMetrics {
  readonly #eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_PRECISION_MS });
  readonly #collections = new Map<string, CollectionTimes>();

  constructor() {
    this.#eventLoop.enable();
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#countCollection(entry);
    }).observe({ entryTypes: ["gc"] });
  }

  /** Waits for one turn of the event loop, to see how long that takes. */
  async read(): Promise<readonly Metric[]> {
    const lagSeconds = await eventLoopLag();
    const metrics = [
      ...cpuMetrics(),
      ...memoryMetrics(),
      ...descriptorMetrics(),
      gauge("nodejs_eventloop_lag_seconds", "Lag of event loop in seconds.", lagSeconds),
      ...eventLoopMetrics(this.#eventLoop),
      ...activityMetrics(),
      ...heapMetrics(),
      versionMetric(),
      this.#collectionMetric(),
    ];
    this.#eventLoop.reset();
    return metrics;
  }

  #countCollection({ duration, detail }: { readonly duration: number; readonly detail?: unknown }): void {
    const kind = GC_KINDS[(detail as { readonly kind?: number } | undefined)?.kind ?? 0] ?? "unknown";
    const times = this.#collections.get(kind) ?? new CollectionTimes();
    this.#collections.set(kind, times);
    times.add(duration / 1000);
  }

  #collectionMetric(): Metric {
    return {
      name: "nodejs_gc_duration_seconds",
      help: "Garbage collection duration by kind, one of major, minor, incremental or weakcb.",
      type: "histogram",
      samples: [...this.#collections].flatMap(([kind, times]) => histogramSamples(times, { kind })),
    };
  }
}

/** How long the garbage collections of one kind took, in seconds. */
class CollectionTimes {
  readonly bounds = GC_BOUNDS;
  readonly cumulative = GC_BOUNDS.map(() => 0);
  count = 0;
  sum = 0;

  add(seconds: number): void {
    this.count++;
    this.sum += seconds;
    for (const [index, bound] of GC_BOUNDS.entries())
      if (seconds <= bound) this.cumulative[index] = (this.cumulative[index] ?? 0) + 1;
  }
}

function eventLoopLag(): Promise<number> {
  const askedAt = performance.now();
  return new Promise((resolve) => {
    setImmediate(() => resolve((performance.now() - askedAt) / 1000));
  });
}

function cpuMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  return [
    counter("process_cpu_user_seconds_total", "Total user CPU time spent in seconds.", user / 1e6),
    counter("process_cpu_system_seconds_total", "Total system CPU time spent in seconds.", system / 1e6),
    counter(
      "process_cpu_seconds_total",
      "Total user and system CPU time spent in seconds.",
      (user + system) / 1e6,
    ),
    gauge(
      "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.",
      Math.round(performance.timeOrigin / 1000),
    ),
  ];
}

function memoryMetrics(): readonly Metric[] {
  const status = readFileSync("/proc/self/status", "latin1");
  const bytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) * 1024;
  return [
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", bytes("VmRSS")),
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", bytes("VmSize")),
    gauge("process_heap_bytes", "Process heap size in bytes.", bytes("VmData")),
  ];
}

function descriptorMetrics(): readonly Metric[] {
  const limits = readFileSync("/proc/self/limits", "latin1");
  const [, limit = "0"] = /^Max open files +(\S+)/m.exec(limits) ?? [];
  return [
    gauge("process_open_fds", "Number of open file descriptors.", openDescriptors()),
    gauge(
      "process_max_fds",
      "Maximum number of open file descriptors.",
      limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit),
    ),
  ];
}

/** Since Linux 6.2 the folder's size is its number of entries. To list thousands of them takes milliseconds. */
function openDescriptors(): number {
  const folder = "/proc/self/fd";
  // Listed, it also has the descriptor that reads it.
  return statSync(folder).size || readdirSync(folder).length - 1;
}

function eventLoopMetrics(delays: IntervalHistogram): readonly Metric[] {
  const delay = (name: string, help: string, nanoseconds: number) =>
    gauge(`nodejs_eventloop_lag_${name}_seconds`, help, nanoseconds / 1e9);
  const percentile = (percent: number) =>
    delay(
      `p${percent}`,
      `The ${percent}th percentile of the recorded event loop delays.`,
      delays.percentile(percent),
    );
  return [
    delay("min", "The minimum recorded event loop delay.", delays.min),
    delay("max", "The maximum recorded event loop delay.", delays.max),
    delay("mean", "The mean of the recorded event loop delays.", delays.mean),
    delay("stddev", "The standard deviation of the recorded event loop delays.", delays.stddev),
    ...[50, 90, 99].map(percentile),
  ];
}

function activityMetrics(): readonly Metric[] {
  // Node documents only the first of the three; the names of the others are older than it and on many dashboards.
  const internals = process as unknown as Partial<
    Record<"_getActiveHandles" | "_getActiveRequests", () => object[]>
  >;
  const classNames = (objects: readonly object[] = []) => objects.map(({ constructor: { name } }) => name);
  return [
    ...byType(
      "nodejs_active_resources",
      "Number of active resources that are currently keeping the event loop alive, grouped by async resource type.",
      "Total number of active resources.",
      process.getActiveResourcesInfo(),
    ),
    ...byType(
      "nodejs_active_handles",
      "Number of active libuv handles grouped by handle type. Every handle type is C++ class name.",
      "Total number of active handles.",
      classNames(internals._getActiveHandles?.()),
    ),
    ...byType(
      "nodejs_active_requests",
      "Number of active libuv requests grouped by request type. Every request type is C++ class name.",
      "Total number of active requests.",
      classNames(internals._getActiveRequests?.()),
    ),
  ];
}

function byType(name: string, help: string, totalHelp: string, types: readonly string[]): readonly Metric[] {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  const samples = [...counts].map(([type, value]) => ({ labels: { type }, value }));
  return [gauge(name, help, samples), gauge(`${name}_total`, totalHelp, types.length)];
}

function heapMetrics(): readonly Metric[] {
  const { heapTotal, heapUsed, external } = process.memoryUsage();
  const spaces = getHeapSpaceStatistics();
  const bySpace = (key: "space_size" | "space_used_size" | "space_available_size") =>
    spaces.map((space) => ({
      labels: { space: space.space_name.replace(/_space$/, "") },
      value: space[key],
    }));
  const spaceGauge = (kind: string, samples: readonly Sample[]) =>
    gauge(
      `nodejs_heap_space_size_${kind}_bytes`,
      `Process heap space size ${kind} from Node.js in bytes.`,
      samples,
    );
  return [
    gauge("nodejs_heap_size_total_bytes", "Process heap size from Node.js in bytes.", heapTotal),
    gauge("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.", heapUsed),
    gauge("nodejs_external_memory_bytes", "Node.js external memory size in bytes.", external),
    spaceGauge("total", bySpace("space_size")),
    spaceGauge("used", bySpace("space_used_size")),
    spaceGauge("available", bySpace("space_available_size")),
  ];
}

function versionMetric(): Metric {
  const { version } = process;
  const [major = "", minor = "", patch = ""] = version.slice(1).split(".");
  const labels = { version, major, minor, patch };
  return gauge("nodejs_version_info", "Node.js version info.", [{ labels, value: 1 }]);
}

function gauge(name: string, help: string, reading: number | readonly Sample[]): Metric {
  return { name, help, type: "gauge", samples: typeof reading === "number" ? [{ value: reading }] : reading };
}

function counter(name: string, help: string, value: number): Metric {
  return { name, help, type: "counter", samples: [{ value }] };
}
