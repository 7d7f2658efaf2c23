// Prometheus's text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/. Written by hand,
// because the library for it costs 10 MB of resident memory at the first scrape.

export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string | number>>;

/** One line: `name + suffix {labels} value`. */
export interface Sample {
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels?: Labels;
  readonly value: number;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

export function prometheusText(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("\n");
}

/** The counts of a histogram, as its samples. */
export interface HistogramCounts {
  /** The buckets' upper bounds, ascending. */
  readonly bounds: readonly number[];
  /** For each bound, how many values were at most that. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export function histogramSamples(
  { bounds, cumulative, count, sum }: HistogramCounts,
  labels: Labels = {},
): readonly Sample[] {
  const bucket = (le: number | string, value: number): Sample => ({
    suffix: "_bucket",
    labels: { le, ...labels },
    value,
  });
  return [
    ...bounds.map((bound, index) => bucket(bound, cumulative[index] ?? 0)),
    bucket("+Inf", count),
    { suffix: "_sum", labels, value: sum },
    { suffix: "_count", labels, value: count },
  ];
}

function metricText({ name, help, type, samples }: Metric): string {
  const lines = samples.map(
    ({ suffix = "", labels = {}, value }) => `${name}${suffix}${labelsText(labels)} ${valueText(value)}\n`,
  );
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function valueText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
