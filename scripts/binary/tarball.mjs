// @ts-check The tarball of an executable with its files, each where `tar -C /usr/local
// --strip-components=1` must put it. The same input makes the same tarball.
//
//   bin/holdfast
//   lib/systemd/system/       the units
//   share/man/man1/           the man page, made from the help
//   share/bash-completion/ …  completions, where `holdfast completion` can write them
//   share/doc/holdfast/       licences of holdfast, Node and every bundled package, changes

import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { manPage } from "./man-page.mjs";
import { print, run } from "./run.mjs";

const DOC = "share/doc/holdfast";
const COMPLETIONS = {
  bash: "share/bash-completion/completions/holdfast",
  zsh: "share/zsh/site-functions/_holdfast",
  fish: "share/fish/vendor_completions.d/holdfast.fish",
};
const { createProgram } = await import(new URL("../../dist/cli/program.js", import.meta.url).href);
/** @type {import("commander").Command} */
const program = createProgram(() => undefined);

/**
 * @param {object} parts
 * @param {string} parts.root
 * @param {string} parts.output
 * @param {string} parts.work
 * @param {import("./targets.mjs").Arch} parts.arch
 * @param {string} parts.executable
 * @param {string} parts.nodePackage
 */
export function makeTarball({ root, output, work, arch, executable, nodePackage }) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const name = `holdfast-${version}-linux-${arch}`;
  const folder = join(work, name);
  const add = (/** @type {string} */ path, /** @type {string} */ source) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(source, join(folder, path));
  };
  const write = (/** @type {string} */ path, /** @type {string} */ content) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };

  add("bin/holdfast", executable);
  for (const unit of readdirSync(join(root, "packaging/systemd")))
    add(`lib/systemd/system/${unit}`, join(root, "packaging/systemd", unit));
  write("share/man/man1/holdfast.1", manPage(program, version));
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    const completion = completionFor(root, shell);
    if (completion !== undefined) write(path, completion);
  }
  for (const file of ["LICENSE", "CHANGELOG.md"]) add(`${DOC}/${file}`, join(root, file));
  add(`${DOC}/licenses/node`, join(nodePackage, "LICENSE"));
  for (const [packageName, licence] of bundledLicences(root))
    add(`${DOC}/licenses/${packageName.replace("/", "-")}`, licence);

  const tarball = join(output, `${name}.tar.gz`);
  writeFileSync(tarball, gzipSync(tar(work, name)));
  rmSync(folder, { recursive: true });
  print(tarball);
}

/**
 * `sha256sum --check` reads it.
 * @param {string} output
 */
export function writeChecksums(output) {
  const files = readdirSync(output).filter((name) =>
    /^holdfast-[\w.-]*linux-(x64|arm64)(\.tar\.gz)?$/.test(name),
  );
  const lines = files.sort().map((name) => {
    const hash = createHash("sha256")
      .update(readFileSync(join(output, name)))
      .digest("hex");
    return `${hash}  ${basename(name)}\n`;
  });
  writeFileSync(join(output, "SHA256SUMS"), lines.join(""));
}

/**
 * @param {string} folder
 * @param {string} name
 */
function tar(folder, name) {
  const constant = [
    "--sort=name",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@0",
    "--mode=go-w,a+rX",
  ];
  const file = join(folder, "all.tar");
  run("tar", ["-C", folder, ...constant, "-cf", file, name]);
  const bytes = readFileSync(file);
  rmSync(file);
  return bytes;
}

/**
 * @param {string} root
 * @param {string} shell
 */
function completionFor(root, shell) {
  if (!program.commands.some((command) => command.name() === "completion")) return undefined;
  return run(process.execPath, [join(root, "dist/cli/main.cjs"), "completion", shell]);
}

/**
 * Every package that the bundle may contain, with its file.
 * @param {string} root
 */
function bundledLicences(root) {
  /** @type {Record<string, { dev?: boolean, optional?: boolean }>} */
  const packages = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(packages).flatMap(([path, { dev, optional }]) => {
    const folder = join(root, path);
    if (path === "" || dev || optional || !existsSync(folder)) return [];
    const licence = readdirSync(folder).find((name) => /^licen[cs]e(\.|$)/i.test(name));
    return licence === undefined
      ? []
      : [/** @type {const} */ ([path.replace(/^.*node_modules\//, ""), join(folder, licence)])];
  });
}
