// The figures in the order of measurement.

import { attachedFigure } from "./attached.mjs";
import { copyTreeFigure } from "./copy-tree.mjs";
import { echoFigure } from "./echo.mjs";
import { fanOutFigure } from "./fan-out.mjs";
import { fileListFigure, filesFigure, watchFigure } from "./files.mjs";
import { inputFigure } from "./input.mjs";
import { idleFigure, streamedFigure } from "./memory.mjs";
import { outputFigure } from "./output.mjs";
import { restFigure } from "./rest.mjs";
import { scaleFigure } from "./scale.mjs";
import { startLatencyFigure, startLatencyHeldFigure, startsAtOnceFigure } from "./starts.mjs";
import { thawFigure } from "./thaw.mjs";
import { upgradeFigure } from "./upgrade.mjs";

/**
 * @typedef {object} Context
 * @property {boolean} quick
 * @property {import("../servers/lineup.mjs").Lineup} lineup
 * @property {(line: string) => void} say
 *
 * @typedef {object} Figure
 * @property {string} name      what --only matches, and its key in the JSON
 * @property {string} question  what it answers, in one line
 * @property {string[]} [references]  what the others are compared with, if not the usual ones
 * @property {import("../report.mjs").Metric[]} metrics
 * @property {(context: Context) => Promise<import("../report.mjs").Measurement>} measure
 */

/** @type {Figure[]} */
export const figures = [
  outputFigure("chunks", { codec: "binary", http: "http1" }),
  outputFigure("chunks", { codec: "json", http: "http1" }),
  outputFigure("chunks", { codec: "binary", http: "h2c" }),
  outputFigure("chunks", { codec: "json", http: "h2c" }),
  outputFigure("chunks", { codec: "grpc", http: "h2c" }),
  outputFigure("lines", { codec: "binary", http: "http1" }),
  outputFigure("lines", { codec: "json", http: "http1" }),
  outputFigure("pty", { codec: "binary", http: "http1" }),
  outputFigure("pty", { codec: "json", http: "http1" }),
  fanOutFigure("binary"),
  fanOutFigure("json"),
  startLatencyFigure("true", ["/bin/true"], ["holdfast", "plain", "raw", "ssh", "peer"]),
  startLatencyFigure("bash", ["bash", "-c", ":"], ["holdfast", "plain", "raw", "peer"]),
  startLatencyHeldFigure(),
  startsAtOnceFigure(),
  inputFigure("stream"),
  inputFigure("send"),
  echoFigure(),
  idleFigure(),
  restFigure(),
  streamedFigure(),
  attachedFigure(),
  scaleFigure(),
  thawFigure(),
  copyTreeFigure("up"),
  copyTreeFigure("down"),
  filesFigure(),
  fileListFigure(),
  watchFigure(),
  upgradeFigure(),
];

const quickNames = [
  "output-binary-http1",
  "output-json-http1",
  "start-latency-true",
  "starts-at-once",
  "echo",
  "idle",
];

/** The figures of `--quick` without `--only`. */
export const quickFigures = figures.filter(({ name }) => quickNames.includes(name));
