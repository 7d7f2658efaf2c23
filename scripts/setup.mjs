// @ts-check
// Prepares a fresh clone for a command: installs packages, generates code, builds src and console. Runs before
// `npm start`, `npm test` and `npm run bench`. Silent and quick when nothing is to be done;
// otherwise it writes to stderr, because stdout belongs to the command that follows. Two runs at
// the same time wait for each other.

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
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLauncherHead } from "./launcher-head.mjs";

const OLDEST_NODE = [20, 19];
const OUTPUT = "dist";
const STAMP = ".inputs";

const script = fileURLToPath(import.meta.url);

/** A problem that the user must fix; its message says how. */
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
 * Starts this script again under a lock, which the kernel releases when its holder ends, so no
 * stale lock can remain. False without flock(1): then the caller must not run it twice at a time.
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
 * npm writes .package-lock.json last, so an interrupted install does not count.
 * @param {string} root
 */
export function installIsStale(root) {
  const installed = modifiedMs(join(root, "node_modules/.package-lock.json"));
  const hasCompiler = existsSync(join(root, "node_modules/typescript"));
  return !hasCompiler || modifiedMs(join(root, "package-lock.json")) > installed;
}

/** @param {string} root */
function install(root) {
  print("installing packages");
  // Without a compiler node-pty cannot be built. It is optional, and trying would only take time.
  const scripts = missingTools(process.env).length === 0 ? [] : ["--ignore-scripts"];
  // Whatever NODE_ENV is: the compiler of TypeScript is a development dependency.
  run(root, "npm", ["ci", "--include=dev", ...scripts], headersEnv(process.env, process.execPath));
}

/**
 * The tools that node-gyp needs and PATH lacks. As for node-gyp, CXX and PYTHON can name others.
 * @param {NodeJS.ProcessEnv} env
 */
export function missingTools(env) {
  const needed = ["make", env["CXX"] || "g++", env["PYTHON"] || "python3"];
  return needed.filter((tool) => !isInPath(tool.split(" ")[0] ?? tool, env));
}

/**
 * Informs node-gyp where the headers of this Node are, if they were installed with it, so that it
 * downloads none.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} execPath
 * @returns {NodeJS.ProcessEnv}
 */
export function headersEnv(env, execPath) {
  const prefix = join(dirname(execPath), "..");
  const isSet = Object.keys(env).some((name) => /^npm_(package_config_node_gyp|config)_nodedir$/i.test(name));
  if (isSet || !existsSync(join(prefix, "include/node/node.h"))) return env;
  // npm 11 warns of unknown npm_config_ settings; the node-gyp of npm 10 reads no others.
  const isOldNpm = /^npm\/([1-9]|10)\./.test(env["npm_config_user_agent"] ?? "");
  return { ...env, [isOldNpm ? "npm_config_nodedir" : "npm_package_config_node_gyp_nodedir"]: prefix };
}

// ── Generated code ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * In a clone, Git writes src/gen after proto/ and gives files that time. If the order were
 * reversed, the same text would be generated once more, which does no harm.
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
  print("generating src/gen");
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
 * Name, size and time of all inputs of the build. The build is stale if this text differs. So a
 * deleted file counts, and also a file with an older time (`git checkout`, `tar`), which a
 * comparison of times would miss.
 * @param {string} root
 */
export function buildInputs(root) {
  const configuration = [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "scripts/bundle.mjs",
    "scripts/launcher-head.mjs",
  ];
  const folders = ["src", "console", "scripts/console"];
  return [
    ...configuration.map((name) => join(root, name)),
    ...folders.flatMap((name) => filesUnder(join(root, name))),
  ]
    .map((file) => `${file.slice(root.length)} ${statSync(file).size} ${modifiedMs(file)}\n`)
    .join("");
}

/**
 * Builds beside the old output and swaps them: files deleted from src disappear, and no incomplete
 * build is ever visible.
 * @param {string} root
 */
function buildAll(root) {
  print("building dist");
  // Taken before the compiler reads: an edit during the build makes it stale again.
  const inputs = buildInputs(root);
  const output = join(root, OUTPUT);
  const [fresh, old] = [`${output}.new`, `${output}.old`];
  try {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
    run(root, "tsc", ["-p", "tsconfig.build.json", "--outDir", fresh]);
    const command = join(fresh, "cli/main.cjs");
    writeFileSync(command, withLauncherHead(readFileSync(command, "utf8")));
    chmodSync(command, 0o755);
    mkdirSync(join(fresh, "bundle"));
    run(root, process.execPath, [join(root, "scripts/bundle.mjs"), join(fresh, "bundle")]);
    mkdirSync(join(fresh, "console"));
    run(root, process.execPath, [join(root, "scripts/console/build.mjs"), join(fresh, "console")]);
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
  if (result.error) throw new SetupError(`cannot run ${command}: ${result.error.message}`);
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
 * Zero if the file does not exist.
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
function print(line) {
  process.stderr.write(`setup: ${line}\n`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === script) {
  try {
    main(dirname(dirname(script)), process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    print(error.message);
    process.exitCode = 1;
  }
}
