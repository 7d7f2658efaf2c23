// One SVG of a result, for readers who do not know the bench: four panels, each with its question in
// words, a bar for each server, and whether long or short is better. A thin line shows the range of the
// rounds. Panels are left out if the result has no such figure.

/** @typedef {ReturnType<typeof import("./report.mjs").summarize>} Outcome */

const WIDTH = 880;
const PANEL_WIDTH = 420;
const PANEL_GAP = 20;
const MARGIN = 10;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 96;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 24;
const TITLE_HEIGHT = 54;
const OURS = "#1f6feb";
const OTHERS = "#b8c0cc";

const panels = [
  {
    figure: "output-binary-http1",
    metric: "mbPerSecond",
    title: "Output of a command that reaches one client",
    unit: "MB/s",
    better: "longer is better",
  },
  {
    figure: "output-binary-http1",
    metric: "cpuSecondsPerGb",
    title: "Processor time of the server for 1 GB of output",
    unit: "s",
    better: "shorter is better",
  },
  {
    figure: "start-latency-true",
    metric: "p50Ms",
    title: "A short command (/bin/true), from request to end",
    unit: "ms",
    better: "shorter is better",
  },
  {
    figure: "idle",
    metric: "residentMb",
    title: "Memory of an agent that has nothing to do",
    unit: "MB",
    better: "shorter is better",
  },
];

/** @type {Readonly<Record<string, string>>} */
const serverLabels = {
  holdfast: "holdfast",
  plain: "Connect-ES handler",
  raw: "Node, pipe to HTTP",
  c: "C, copying only",
  ssh: "OpenSSH",
  peer: "BENCH_PEER",
  node: "Node, doing nothing",
};

/** @param {{ machine: import("./machine.mjs").Machine, figures: Outcome[] }} result */
export function renderPlot({ machine, figures }) {
  const drawn = panels.flatMap((panel) => {
    const outcome = figures.find(({ name }) => name === panel.figure);
    const rows = outcome === undefined ? [] : rowsOf(outcome, panel.metric);
    return rows.length === 0 ? [] : [{ ...panel, rows, digits: digitsOf(outcome, panel.metric) }];
  });
  const panelHeight = TITLE_HEIGHT + Math.max(0, ...drawn.map(({ rows }) => rows.length)) * ROW_HEIGHT + 14;
  const height = 34 + Math.ceil(drawn.length / 2) * panelHeight;
  const machineText = `holdfast ${machine.commit}, Node ${machine.node}, ${machine.cpu}, ${machine.date.slice(0, 10)}. Bars are medians, lines the range of the rounds.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    "<title>holdfast beside its references</title>",
    `<desc>${escaped(drawn.map(describePanel).join(". "))}</desc>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...drawn.map((panel, index) =>
      renderPanel(
        panel,
        MARGIN + (index % 2) * (PANEL_WIDTH + PANEL_GAP),
        Math.floor(index / 2) * panelHeight,
      ),
    ),
    text(MARGIN, height - 12, machineText, 'fill="#57606a" font-size="11"'),
    "</svg>\n",
  ].join("\n");
}

/**
 * @typedef {{ server: string, median: number, min: number, max: number }} Row
 * @typedef {(typeof panels)[number] & { rows: Row[], digits: number }} Panel
 */

/** @param {Outcome} outcome @param {string} key @returns {Row[]} */
function rowsOf({ servers }, key) {
  return Object.entries(servers).flatMap(([server, values]) => {
    const spread = values[key];
    return spread === undefined ? [] : [{ server, ...spread }];
  });
}

/** @param {Outcome | undefined} outcome @param {string} key */
function digitsOf(outcome, key) {
  return outcome?.metrics.find((metric) => metric.key === key)?.digits ?? 0;
}

/** @param {Panel} panel */
function describePanel({ title, unit, rows, digits }) {
  return `${title}: ${rows.map(({ server, median }) => `${serverLabels[server] ?? server} ${number(median, digits)} ${unit}`).join(", ")}`;
}

/** @param {Panel} panel @param {number} left @param {number} top */
function renderPanel({ title, unit, better, rows, digits }, left, top) {
  const most = Math.max(...rows.map(({ max }) => max));
  const scale = (PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most;
  const bars = rows.map((row, index) => {
    const y = top + TITLE_HEIGHT + index * ROW_HEIGHT;
    const middle = y + BAR_HEIGHT / 2;
    const start = left + LABEL_WIDTH;
    const isOurs = row.server === "holdfast";
    return [
      text(
        start - 8,
        middle + 4,
        serverLabels[row.server] ?? row.server,
        `text-anchor="end"${isOurs ? ' font-weight="bold"' : ""}`,
      ),
      `<rect x="${start}" y="${y}" width="${(row.median * scale).toFixed(1)}" height="${BAR_HEIGHT}" fill="${isOurs ? OURS : OTHERS}"/>`,
      `<line x1="${(start + row.min * scale).toFixed(1)}" y1="${middle}" x2="${(start + row.max * scale).toFixed(1)}" y2="${middle}" stroke="#24292f"/>`,
      text(
        start + row.max * scale + 8,
        middle + 4,
        `${number(row.median, digits)} ${unit}`,
        'fill="#24292f"',
      ),
    ].join("\n");
  });
  return [
    text(left, top + 26, title, 'font-weight="bold" font-size="13"'),
    text(left, top + 43, better, 'fill="#57606a"'),
    ...bars,
  ].join("\n");
}

/** @param {number} value @param {number} digits */
function number(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** @param {number} x @param {number} y @param {string} content @param {string} attributes */
function text(x, y, content, attributes) {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped(content)}</text>`;
}

/** @param {string} content */
function escaped(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
