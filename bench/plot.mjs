// One SVG of a result: for each figure a bar per server, the first metric's median, with a line from the least to the most of the
// rounds. Scaled figure by figure: what can be compared stands together.

const WIDTH = 880;
const LABEL_WIDTH = 110;
const VALUE_WIDTH = 190;
const BAR_HEIGHT = 14;
const ROW_HEIGHT = 19;
const TITLE_HEIGHT = 40;
const OURS = "#1f6feb";
const OTHERS = "#b8c0cc";

/** @typedef {ReturnType<typeof import("./report.mjs").summarize>} Outcome */

/** @param {{ machine: import("./machine.mjs").Machine, figures: Outcome[] }} result */
export function renderPlot({ machine, figures }) {
  const drawn = figures.filter(({ servers }) => Object.keys(servers).length > 0);
  let y = 30;
  const groups = drawn.map((figure) => {
    const { svg, height } = renderGroup(figure, y);
    y += height;
    return svg;
  });
  const title = `holdfast ${machine.commit}, Node ${machine.node}, ${machine.cpu}, ${machine.date.slice(0, 10)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 10}" font-family="sans-serif" font-size="12">`,
    "<title>holdfast beside its references: a bar per server and figure</title>",
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text(10, 20, title, 'fill="#57606a"'),
    ...groups,
    "</svg>\n",
  ].join("\n");
}

/** @param {Outcome} figure @param {number} top */
function renderGroup({ name, metrics, servers }, top) {
  const [metric] = metrics;
  if (metric === undefined) throw new Error(`${name} has no metric`);
  const rows = Object.entries(servers).flatMap(([server, values]) => {
    const spread = values[metric.key];
    return spread === undefined ? [] : [{ server, ...spread }];
  });
  const most = Math.max(...rows.map(({ max }) => max));
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most;
  const bars = rows.map((row, index) =>
    renderBar(row, top + TITLE_HEIGHT + index * ROW_HEIGHT, scale, metric.digits),
  );
  const heading = text(10, top + 26, `${name}: ${metric.label}`, 'font-weight="bold"');
  return { svg: [heading, ...bars].join("\n"), height: TITLE_HEIGHT + rows.length * ROW_HEIGHT };
}

/**
 * @param {{ server: string, median: number, min: number, max: number }} row
 * @param {number} y
 * @param {number} scale
 * @param {number} digits
 */
function renderBar({ server, median, min, max }, y, scale, digits) {
  const middle = y + BAR_HEIGHT / 2;
  const isReference = ["plain", "raw", "c", "ssh", "peer", "node"].includes(server);
  const [from, to] = [LABEL_WIDTH + min * scale, LABEL_WIDTH + max * scale];
  const value = `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
  return [
    text(LABEL_WIDTH - 8, middle + 4, server, 'text-anchor="end"'),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR_HEIGHT}" fill="${isReference ? OTHERS : OURS}"/>`,
    `<line x1="${from.toFixed(1)}" y1="${middle}" x2="${to.toFixed(1)}" y2="${middle}" stroke="#24292f"/>`,
    text(to + 8, middle + 4, value, 'fill="#57606a"'),
  ].join("\n");
}

/** @param {number} x @param {number} y @param {string} content @param {string} attributes */
function text(x, y, content, attributes) {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`;
}
