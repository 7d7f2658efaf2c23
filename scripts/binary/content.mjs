// @ts-check
// The content of the single executable: src/cli bundled to one file, its compiled form, and koffi's
// addon for the target.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { bundleExecutable } from "../bundle.mjs";
import { resultAddress } from "./entry.mjs";
import { print, run } from "./run.mjs";
import { runnerFor } from "./targets.mjs";

const require = createRequire(import.meta.url);

/** The asset that launcher-report.mjs reads. */
const RESULT_ADDRESS = "ignored-signals-address";

/**
 * V8's options. The young generation stays small, and one thread is enough to collect garbage: 1 to
 * 2 MB less at rest, and more after load.
 */
const V8_OPTIONS = ["--max-semi-space-size=1", "--v8-pool-size=1", "--optimize-for-size"];

/**
 * The bundle, the same for every target.
 * @param {string} root
 * @param {string} work  an existing folder
 */
export async function bundle(root, work) {
  const file = join(work, "holdfast.cjs");
  await bundleExecutable(root, file, standIns(root));
  return file;
}

/**
 * The Node that will contain it makes it, because it holds code that this V8 compiled, with the same
 * options. If that Node cannot run here, another one makes it, without compiled code.
 * @param {object} parts
 * @param {string} parts.root
 * @param {import("./targets.mjs").Arch} parts.arch
 * @param {string} parts.node
 * @param {string} parts.fallbackNode  of the same version, for this machine
 * @param {string} parts.main
 * @param {string} parts.addon
 * @param {string} parts.work
 */
export function makeContent({ root, arch, node, fallbackNode, main, addon, work }) {
  const runner = runnerFor(arch);
  const output = join(work, `${arch}.blob`);
  const config = join(work, `${arch}.json`);
  const address = join(work, `${arch}.address`);
  writeFileSync(address, String(resultAddress(readFileSync(node))));
  const settings = {
    main,
    output,
    assets: { "koffi.node": addon, [RESULT_ADDRESS]: address, ...consoleAssets(root) },
    useCodeCache: runner !== undefined,
    disableExperimentalSEAWarning: true,
    execArgv: V8_OPTIONS,
    // NODE_OPTIONS is meant for the user's own programs, not for this one.
    execArgvExtension: "none",
  };
  writeFileSync(config, JSON.stringify(settings));
  if (runner === undefined) print(`${arch}: no emulator: it starts slower, without compiled code`);
  const { command = [], env = process.env } = runner ?? {};
  const [program = "", ...args] = [...command, runner === undefined ? fallbackNode : node];
  run(program, [...args, ...V8_OPTIONS, "--experimental-sea-config", config], env);
  return readFileSync(output);
}

/**
 * The files of the web console, as console-source.mjs names them.
 * @param {string} root
 */
function consoleAssets(root) {
  const folder = join(root, "dist/console");
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Object.fromEntries(names.map((name) => [`console/${name}`, join(folder, name)]));
}

/**
 * Replaces the files that are found by their path, because the bundle has no path beside them.
 * @param {string} root
 */
function standIns(root) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const others = new Map([
    [join(root, "src/linux/terminal/native-pty.ts"), join(root, "scripts/binary/native-pty.mjs")],
    [join(root, "src/control/console-source.ts"), join(root, "scripts/binary/console-source.mjs")],
    [join(root, "src/cli/launcher-report.ts"), join(root, "scripts/binary/launcher-report.mjs")],
    [
      join(dirname(require.resolve("koffi")), "src/koffi/src/static.js"),
      join(root, "scripts/binary/koffi-static.mjs"),
    ],
  ]);
  const versionFile = join(root, "src/cli/version.ts");
  const unused = new Set([...others.keys(), versionFile]);
  return {
    name: "stand-ins",
    /** @param {string} id */
    load(id) {
      unused.delete(id);
      if (id === versionFile) return `export const version = () => ${JSON.stringify(version)};`;
      const other = others.get(id);
      return other && `export * from ${JSON.stringify(other)};`;
    },
    buildEnd() {
      if (unused.size > 0) throw new Error(`no longer imported: ${[...unused].join(", ")}`);
    },
  };
}
