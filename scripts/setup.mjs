// @ts-check
// What lies between a fresh clone and a command that runs: packages installed, code generated, src built. Runs before
// `npm start`, `npm test` and `npm run bench`; silent and quick when there is nothing to do, and says everything else
// on stderr, because stdout belongs to the command that follows. Two runs at once wait for each other.

import { spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = [20, 19];
const OUTPUT = "dist";
const STAMP = ".inputs";

const script = fileURLToPath(import.meta.url);

/** Something the person at the terminal has to put right; its message is all they need to see. */
class SetupError extends Error {}

/**
 * @param {string} root
 * @param {string[]} flags
 */
function main(root, flags) {
  const problem = nodeProblem(process.versions.node);
  if (problem) throw new SetupError(problem);

  const build = flags.includes("--build");
  if (!isStale(root, build)) return;
  if (!flags.includes("--locked") && runLocked(flags)) return;

  if (installIsStale(root)) install(root);
  if (generatedIsStale(root)) generate(root);
  if (build && buildIsStale(root)) buildAll(root);
}

/**
 * @param {string} root
 * @param {boolean} build
 */
function isStale(root, build) {
  return installIsStale(root) || generatedIsStale(root) || (build && buildIsStale(root));
}

/**
 * Starts this script again under a lock that the kernel drops with the process that holds it, so none is ever left
 * behind. False where there is no flock(1): one run at a time is then up to the caller.
 * @param {string[]} flags
 */
function runLocked(flags) {
  const result = spawnSync("flock", [script, process.execPath, script, ...flags, "--locked"], {
    stdio: ["ignore", 2, 2],
  });
  if (result.error) return false;
  process.exitCode = result.status ?? 1;
  return true;
}

// ── Node ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * @param {string} version
 * @returns {string | undefined}
 */
export function nodeProblem(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `Node ${version} is too old: holdfast needs Node ${OLDEST_NODE.join(".")} or later.`;
}

// ── Packages ──────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * npm writes .package-lock.json last, so an install that was cut short counts as none.
 * @param {string} root
 */
export function installIsStale(root) {
  const installed = modifiedMs(join(root, "node_modules/.package-lock.json"));
  const hasCompiler = existsSync(join(root, "node_modules/typescript"));
  return !hasCompiler || modifiedMs(join(root, "package-lock.json")) > installed;
}

/** @param {string} root */
function install(root) {
  const missing = missingTools(process.env);
  if (missing.length > 0) {
    throw new SetupError(
      `node-pty is compiled on installation, and ${missing.join(", ")} cannot be found. Install the tool chain with:\n\n` +
        `  ${toolChainCommand(process.env)}\n`,
    );
  }
  say("installing packages");
  // Whatever NODE_ENV says: the compiler is a development dependency.
  run(root, "npm", ["ci", "--include=dev"], headersEnv(process.env, process.execPath));
  try {
    createRequire(join(root, "package.json"))("node-pty");
  } catch (cause) {
    throw new SetupError(
      "node-pty was installed but not compiled. Does npm skip install scripts (`npm config get ignore-scripts`)?",
      { cause },
    );
  }
}

/**
 * The tools that node-gyp needs and PATH has not. CXX and PYTHON name others, as for node-gyp.
 * @param {NodeJS.ProcessEnv} env
 */
export function missingTools(env) {
  const needed = ["make", env["CXX"] || "g++", env["PYTHON"] || "python3"];
  return needed.filter((tool) => !isInPath(tool.split(" ")[0] ?? tool, env));
}

/** @param {NodeJS.ProcessEnv} env */
export function toolChainCommand(env) {
  if (isInPath("apk", env)) return "apk add g++ make python3";
  if (isInPath("dnf", env)) return "dnf install -y gcc-c++ make python3";
  return "apt-get install -y g++ make python3";
}

/**
 * Tells node-gyp where Node's headers are if they came with this Node, so that it downloads none.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} execPath
 * @returns {NodeJS.ProcessEnv}
 */
export function headersEnv(env, execPath) {
  const prefix = join(dirname(execPath), "..");
  const isSet = Object.keys(env).some((name) => /^npm_(package_config_node_gyp|config)_nodedir$/i.test(name));
  if (isSet || !existsSync(join(prefix, "include/node/node.h"))) return env;
  // npm 11 warns of settings in npm_config_ that are not its own; npm 10 brings a node-gyp that reads no other.
  const isOldNpm = /^npm\/([1-9]|10)\./.test(env["npm_config_user_agent"] ?? "");
  return { ...env, [isOldNpm ? "npm_config_nodedir" : "npm_package_config_node_gyp_nodedir"]: prefix };
}

// ── Generated code ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Git gives a clone's files the times at which it wrote them, src/gen after proto/ in its order. Should that ever be
 * the other way round, the same text is generated once more and no harm is done.
 * @param {string} root
 */
export function generatedIsStale(root) {
  const sources = [...filesUnder(join(root, "proto")), join(root, "buf.gen.yaml")];
  const generated = filesUnder(join(root, "src/gen"));
  if (generated.length === 0) return true;
  return Math.max(...sources.map(modifiedMs)) > Math.min(...generated.map(modifiedMs));
}

/** @param {string} root */
function generate(root) {
  say("generating src/gen");
  run(root, "buf", ["generate"]);
  const now = new Date();
  for (const file of filesUnder(join(root, "src/gen"))) utimesSync(file, now, now);
}

// ── Build ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** @param {string} root */
export function buildIsStale(root) {
  const stamp = join(root, OUTPUT, STAMP);
  return !existsSync(stamp) || readFileSync(stamp, "utf8") !== buildInputs(root);
}

/**
 * Name, size and time of all that goes into the build. The build is stale when this text differs, so a deleted file
 * counts, and so does one that came back older (`git checkout`, `tar`), which comparing times alone would miss.
 * @param {string} root
 */
export function buildInputs(root) {
  const configuration = [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "scripts/bundle.mjs",
  ];
  return [...configuration.map((name) => join(root, name)), ...filesUnder(join(root, "src"))]
    .map((file) => `${file.slice(root.length)} ${statSync(file).size} ${modifiedMs(file)}\n`)
    .join("");
}

/**
 * Builds beside the old output and swaps: nothing deleted from src lives on, and no half build is ever seen.
 * @param {string} root
 */
function buildAll(root) {
  say("building dist");
  // Taken before the compiler reads: what is edited meanwhile makes the build stale again.
  const inputs = buildInputs(root);
  const output = join(root, OUTPUT);
  const [fresh, old] = [`${output}.new`, `${output}.old`];
  try {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
    run(root, "tsc", ["-p", "tsconfig.build.json", "--outDir", fresh]);
    chmodSync(join(fresh, "cli/main.cjs"), 0o755);
    mkdirSync(join(fresh, "bundle"));
    run(root, process.execPath, [join(root, "scripts/bundle.mjs"), join(fresh, "bundle")]);
    writeFileSync(join(fresh, STAMP), inputs);
    if (existsSync(output)) renameSync(output, old);
    renameSync(fresh, output);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

// ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * @param {string} root
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function run(root, command, args, env = process.env) {
  const path = [join(root, "node_modules/.bin"), env["PATH"]].join(delimiter);
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...env, PATH: path },
    stdio: ["ignore", 2, 2],
  });
  if (result.error) throw new SetupError(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new SetupError(`${command} ${args.join(" ")} failed; see above.`);
}

/**
 * All files below `folder`, sorted; none if it does not exist.
 * @param {string} folder
 * @returns {string[]}
 */
function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : [path];
    })
    .sort();
}

/**
 * Zero for what does not exist.
 * @param {string} file
 */
function modifiedMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * @param {string} command
 * @param {NodeJS.ProcessEnv} env
 */
function isInPath(command, env) {
  if (command.includes("/")) return isExecutable(command);
  return (env["PATH"] ?? "").split(delimiter).some((folder) => isExecutable(join(folder, command)));
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === script) {
  try {
    main(dirname(dirname(script)), process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
