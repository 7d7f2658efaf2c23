// bench/history.jsonl: one line for each recorded run, with the medians of every figure, so that a change shows
// over time. Ratios compare across machines, the numbers themselves do not.

import { appendFileSync } from "node:fs";

const file = new URL("history.jsonl", import.meta.url);

/** @param {{ machine: import("./machine.mjs").Machine, figures: ReturnType<typeof import("./report.mjs").summarize>[] }} result */
export function record({ machine, figures }) {
  const { commit, date, node, kernel, cpu, loadBefore } = machine;
  const line = { commit, date, node, kernel, cpu, loadBefore, figures: mediansOf(figures) };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/**
 * By figure, server and metric.
 * @param {ReturnType<typeof import("./report.mjs").summarize>[]} figures
 * @returns {Record<string, Record<string, Record<string, number>>>}
 */
export function mediansOf(figures) {
  return Object.fromEntries(
    figures.map(({ name, servers }) => [
      name,
      Object.fromEntries(
        Object.entries(servers).map(([server, metrics]) => [
          server,
          Object.fromEntries(
            Object.entries(metrics).flatMap(([key, spread]) =>
              spread === undefined ? [] : [[key, Number(spread.median.toPrecision(4))]],
            ),
          ),
        ]),
      ),
    ]),
  );
}
