// Statistics and tables. Knows figures only by their metrics, so a new figure needs no change here.
//
// A figure hands in samples: per server, one record of numbers for each round. Printed is the
// median and the spread (min–max) of the rounds, and for metrics with `ratio` the ratio of this
// median to each reference's.

/**
 * @typedef {object} Metric
 * @property {string} key     its name in the samples and in the JSON
 * @property {string} label   column heading, with the unit
 * @property {number} digits  decimals printed
 * @property {boolean} [ratio]  also printed as ratio to the references
 *
 * @typedef {Record<string, number | undefined>} Sample  one round of one server; undefined: could
 * not be measured
 *
 * @typedef {object} Measurement
 * @property {string} settings  what one round was, e.g. "5 rounds of 400 MB"
 * @property {Record<string, Sample[]>} samples
 *
 * @typedef {{ median: number, min: number, max: number }} Spread
 */

/** The reference columns, in order, unless a figure names its own. */
const usualReferences = ["plain", "raw", "c", "ssh"];

/** @param {number[]} values */
export function median(values) {
  return percentile(values, 50);
}

/**
 * Linear between the two nearest ranks, as NumPy does it. @param {number[]} values @param {number}
 * percent
 */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(rank)] ?? Number.NaN;
  const above = sorted[Math.ceil(rank)] ?? Number.NaN;
  return below + (above - below) * (rank - Math.floor(rank));
}

/**
 * @param {{ name: string, question: string, metrics: Metric[], references?: string[] }} figure
 * @param {Measurement} measurement
 */
export function summarize({ name, question, metrics, references = usualReferences }, { settings, samples }) {
  const servers = mapValues(samples, (rounds) =>
    Object.fromEntries(metrics.map(({ key }) => [key, spread(rounds.map((round) => round[key]))])),
  );
  const ratios = ratiosOf(metrics, servers, references);
  return { name, question, settings, metrics, references, servers, ratios, samples };
}

/** @param {(number | undefined)[]} values @returns {Spread | undefined} */
function spread(values) {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return undefined;
  return { median: median(known), min: Math.min(...known), max: Math.max(...known) };
}

/**
 * Per server, metric and reference: this median over the reference's.
 * @param {Metric[]} metrics
 * @param {Record<string, Record<string, Spread | undefined>>} servers
 * @param {string[]} references
 */
function ratiosOf(metrics, servers, references) {
  const compared = metrics.filter((metric) => metric.ratio);
  return mapValues(servers, (_, server) =>
    Object.fromEntries(compared.map(({ key }) => [key, ratiosOfMetric(key, server, servers, references)])),
  );
}

/**
 * @param {string} key
 * @param {string} server
 * @param {Record<string, Record<string, Spread | undefined>>} servers
 * @param {string[]} references
 */
function ratiosOfMetric(key, server, servers, references) {
  /** @type {Record<string, number>} */
  const ratios = {};
  for (const reference of references) {
    const ours = servers[server]?.[key]?.median;
    const theirs = servers[reference]?.[key]?.median;
    if (reference !== server && ours !== undefined && theirs) ratios[reference] = ours / theirs;
  }
  return ratios;
}

/**
 * @template From, To
 * @param {Record<string, From>} record
 * @param {(value: From, key: string) => To} change
 * @returns {Record<string, To>}
 */
function mapValues(record, change) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}

/** @param {ReturnType<typeof summarize>} outcome */
export function renderFigure({ name, question, settings, metrics, references, servers, ratios }) {
  const present = references.filter((reference) => servers[reference] !== undefined);
  const header = [
    "",
    ...metrics.flatMap((metric) => [metric.label, ...(metric.ratio ? present.map(against) : [])]),
  ];
  const rows = Object.entries(servers).map(([server, values]) => [
    server,
    ...metrics.flatMap((metric) => [
      spreadCell(values[metric.key], metric.digits),
      ...(metric.ratio
        ? present.map((reference) => ratioCell(ratios[server]?.[metric.key]?.[reference]))
        : []),
    ]),
  ]);
  return `${name}: ${question}\n${settings}; median (min–max); /x: ratio of medians\n${renderTable([header, ...rows])}`;
}

/** @param {string} reference */
function against(reference) {
  return `/${reference}`;
}

/** @param {Spread | undefined} value @param {number} digits */
function spreadCell(value, digits) {
  if (value === undefined) return "?";
  const [middle, low, high] = [value.median, value.min, value.max].map((number) =>
    formatNumber(number, digits),
  );
  return low === high ? `${middle}` : `${middle} (${low}–${high})`;
}

/** @param {number | undefined} ratio */
function ratioCell(ratio) {
  return ratio === undefined ? "" : ratio.toFixed(2);
}

/** @param {number} value @param {number} digits */
function formatNumber(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** First column left, the others right. @param {string[][]} rows */
function renderTable(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))),
    )
    .map((cells) => `  ${cells.join("  ")}`.trimEnd())
    .join("\n");
}
