// The figures in the order they are measured.

import { outputFigure } from "./output.mjs";
import { startLatencyFigure } from "./start-latency.mjs";

/**
 * @typedef {object} Context
 * @property {boolean} quick
 * @property {import("../servers/lineup.mjs").Lineup} lineup
 * @property {(line: string) => void} say
 *
 * @typedef {object} Figure
 * @property {string} name      what --only matches, and its key in the JSON
 * @property {string} question  what it answers, in one line
 * @property {import("../report.mjs").Metric[]} metrics
 * @property {(context: Context) => Promise<import("../report.mjs").Measurement>} measure
 */

/** @type {Figure[]} */
export const figures = [
  outputFigure({ codec: "binary", http: "http1" }),
  outputFigure({ codec: "json", http: "http1" }),
  outputFigure({ codec: "binary", http: "h2c" }),
  outputFigure({ codec: "json", http: "h2c" }),
  startLatencyFigure(),
];
