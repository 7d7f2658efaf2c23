// @ts-check
// `npm run build:binary`: one executable each for linux-x64 and linux-arm64 that needs no Node,
// dist-binary/holdfast-linux-x64 and -arm64; `npm run build:binary -- x64` makes one of them. It is
// Node itself, without most of ICU's data, with the content of scripts/binary/content.mjs. Beside
// each is a tarball to install (scripts/binary/tarball.mjs), and SHA256SUMS has the checksums. Needs
// npm and GNU tar, and no compiler. For the other architecture an emulator makes its start faster
// (Debian: qemu-user-static and libstdc++6-arm64-cross).

import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, makeContent } from "./binary/content.mjs";
import { makeExecutable } from "./binary/image.mjs";
import { fetchPackage } from "./binary/packages.mjs";
import { print, run } from "./binary/run.mjs";
import { makeTarball, writeChecksums } from "./binary/tarball.mjs";
import { NODE_VERSION, runnerFor, TARGETS } from "./binary/targets.mjs";

/** @typedef {import("./binary/targets.mjs").Arch} Arch */

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, "dist-binary");
const work = join(output, "work");
const store = join(output, "packages");

/** @param {readonly string[]} args */
async function main(args) {
  const arches = args.length === 0 ? archesOf(Object.keys(TARGETS)) : archesOf(args);
  mkdirSync(store, { recursive: true });
  mkdirSync(work, { recursive: true });
  try {
    const script = await bundle(root, work);
    for (const arch of arches) build(arch, script);
    writeChecksums(output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * @param {readonly string[]} names
 * @returns {Arch[]}
 */
function archesOf(names) {
  return names.map((name) => {
    if (name === "x64" || name === "arm64") return name;
    throw new Error(`"${name}" is not an architecture; name x64 or arm64, or neither for both`);
  });
}

/**
 * @param {Arch} arch
 * @param {string} main
 */
function build(arch, main) {
  print(`linux-${arch}`);
  const node = nodeFor(arch);
  const addon = koffiFor(arch);
  const fallbackNode = runnerFor(arch) === undefined ? nodeFor(archesOf([process.arch])[0] ?? arch) : node;
  const content = makeContent({ root, arch, node, fallbackNode, main, addon, work });
  const fresh = join(work, `holdfast-linux-${arch}`);
  writeFileSync(fresh, makeExecutable(readFileSync(node), content, arch));
  chmodSync(fresh, 0o755);
  const executable = join(output, `holdfast-linux-${arch}`);
  renameSync(fresh, executable);
  report(arch, executable, addon);
  makeTarball({ root, output, work, arch, executable, nodePackage: nodePackage(arch) });
}

/** @param {Arch} arch */
function nodeFor(arch) {
  return join(nodePackage(arch), "bin/node");
}

/** @param {Arch} arch */
function nodePackage(arch) {
  const name = `node-linux-${arch}`;
  return fetchPackage(store, { name, version: NODE_VERSION, integrity: TARGETS[arch].node });
}

/** @param {Arch} arch */
function koffiFor(arch) {
  const name = `@koromix/koffi-linux-${arch}`;
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { version, integrity } = packages[`node_modules/${name}`];
  return join(fetchPackage(store, { name, version, integrity }), `linux_${arch}/koffi.node`);
}

/**
 * @param {Arch} arch
 * @param {string} executable
 * @param {string} addon
 */
function report(arch, executable, addon) {
  const megabytes = (statSync(executable).size / 1e6).toFixed(0);
  const needs = `${megabytes} MB, needs glibc ${oldestGlibc([executable, addon])} or later`;
  const runner = runnerFor(arch);
  if (runner === undefined) return print(`${executable}: not tried, ${needs}`);
  const [command = "", ...args] = [...runner.command, executable, "--version"];
  print(`${executable}: holdfast ${run(command, args, runner.env).trim()}, ${needs}`);
}

/**
 * The newest glibc symbol version that any part requires.
 * @param {readonly string[]} files
 */
function oldestGlibc(files) {
  const asked = files.flatMap((file) =>
    [...readFileSync(file, "latin1").matchAll(/GLIBC_2\.(\d+)\0/g)].map((match) => Number(match[1])),
  );
  return `2.${Math.max(...asked)}`;
}

await main(process.argv.slice(2));
