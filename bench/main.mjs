// The bench suite's command: reads the arguments, runs the figures in order, prints tables, writes
// one JSON file.
//
//   node bench/main.mjs [--quick] [--json] [--plot FILE] [--only NAME]... [--servers NAME,...] [--record]
//
// It owns the order of things and their end: in any case (an error, Ctrl-C), no server that it
// started stays. figures/ has the measurements, servers/ the programs to compare with, and clients/
// the counting.

import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { figures, quickFigures } from "./figures/index.mjs";
import { record } from "./history.mjs";
import { describeMachine } from "./machine.mjs";
import { renderPlot } from "./plot.mjs";
import { renderFigure, summarize } from "./report.mjs";
import { killAllNow } from "./servers/launch.mjs";
import { createLineup, serverNames } from "./servers/lineup.mjs";
import { removeScratch } from "./servers/scratch.mjs";

const usage = `usage: node bench/main.mjs [--quick] [--json] [--plot FILE] [--only NAME]... [--servers NAME,...] [--record]

  --quick         the main figures in fewer and shorter rounds, under 40 s: for a first look, not for the docs
  --plot FILE     the result as an SVG as well
  --json          the result as JSON on stdout; tables and progress go to stderr
  --only NAME     only the figures whose name begins with NAME; may be repeated
  --record        a line of medians in bench/history.jsonl
  --servers LIST  only these columns (${serverNames.join(", ")})

figures: ${figures.map((figure) => figure.name).join(", ")}
BENCH_PEER=http://HOST:PORT adds a running process.Process server; BENCH_PEER_PID=PID its CPU and memory.`;

/** With a load average above this, other programs are busy: the suite has not begun yet. */
const busyLoad = 0.5;

// Where this is set, each start of Node 20 reads the certificates first: 75 ms that belong to no server here.
delete process.env["NODE_EXTRA_CA_CERTS"];

const options = readOptions();
endServersWithUs();
const result = await runSuite();
const file = writeResult(result);
if (options.record) record(result);
if (options.plot !== undefined) writeFileSync(options.plot, renderPlot(result));
if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
say(`written to ${file}`);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        plot: { type: "string" },
        only: { type: "string", multiple: true, default: [] },
        servers: { type: "string" },
        record: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return {
      ...values,
      figures: chooseFigures(values.only, values.quick),
      servers: chooseServers(values.servers),
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

/** @param {string[]} prefixes @param {boolean} quick */
function chooseFigures(prefixes, quick) {
  if (prefixes.length === 0) return quick ? quickFigures : figures;
  for (const prefix of prefixes) {
    if (!figures.some(({ name }) => name.startsWith(prefix)))
      throw new Error(`--only ${prefix}: no such figure`);
  }
  return figures.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
}

/** @param {string | undefined} list */
function chooseServers(list) {
  if (list === undefined) return serverNames;
  const chosen = list.split(",");
  for (const name of chosen) {
    if (!serverNames.includes(name)) throw new Error(`--servers ${name}: no such server`);
  }
  return serverNames.filter((name) => chosen.includes(name));
}

function endServersWithUs() {
  process.once("exit", () => {
    killAllNow();
    removeScratch();
  });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.once(signal, () => process.exit(signal === "SIGINT" ? 130 : 143));
  }
}

async function runSuite() {
  const machine = describeMachine();
  say(
    `holdfast bench: commit ${machine.commit}, Node ${machine.node}, Linux ${machine.kernel}, ${machine.cpu}\n`,
  );
  if (machine.loadBefore > busyLoad)
    say(
      `the machine was busy (load ${machine.loadBefore}): its ratios are wrong also; repeat before relying on one\n`,
    );
  const lineup = createLineup(options.servers, say);
  const measured = [];
  for (const figure of options.figures) {
    const outcome = summarize(figure, await figure.measure({ quick: options.quick, lineup, say }));
    print(`${renderFigure(outcome)}\n`);
    measured.push(outcome);
  }
  return { machine, quick: options.quick, figures: measured };
}

/** @param {Awaited<ReturnType<typeof runSuite>>} outcome */
function writeResult(outcome) {
  const directory = new URL("results/", import.meta.url);
  mkdirSync(directory, { recursive: true });
  const stamp = outcome.machine.date.replaceAll(":", "").replace(/\.\d+/, "");
  const path = new URL(`${stamp}-${outcome.machine.commit}${outcome.quick ? "-quick" : ""}.json`, directory);
  writeFileSync(path, `${JSON.stringify(outcome, null, 2)}\n`);
  return path.pathname;
}

/**
 * Tables are the answer: on stdout, unless the machine's answer goes there. @param {string} text
 */
function print(text) {
  if (options.json) say(text);
  else process.stdout.write(`${text}\n`);
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}
