#!/usr/bin/env node
// The `holdfast` program as npm installs it: runs the bundle that scripts/bundle.mjs makes, with V8's compiled form of it kept
// beside it. Of 265 ms from exec to listening, Node 20 spent 150 on finding 200 files and on compiling the same each time.
// (Node's own module.enableCompileCache begins with Node 22, and its default folder is one that others may write to.)
// CommonJS, because Node takes 5 ms more to load its loader of ES modules.

import crypto = require("node:crypto");
import fs = require("node:fs");
import nodeModule = require("node:module");
import path = require("node:path");
import vm = require("node:vm");

type Require = (name: string) => unknown;
type ModuleFunction = (
  exports: object,
  require: Require,
  module: { exports: object },
  filename: string,
  dirname: string,
) => void;

const BUNDLE = path.join(__dirname, "../bundle");
/** What is compiled later than this is compiled anew each time: nobody waits for it as the program begins. */
const COMPILED_AFTER_MS = 1000;
const HASH_CHARACTERS = 16;
/** Of SHA-256. */
const CHECKSUM_BYTES = 32;
const WRITABLE_BY_OTHERS = 0o022;

const requireOther = nodeModule.createRequire(path.join(BUNDLE, "command-line.cjs"));
const loaded = new Map<string, { exports: object }>();

/** A file of the bundle by its name there. Trusted as the program itself is. One that failed may be loaded again. */
function load(name: string): object {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const file = path.join(BUNDLE, name);
  const require: Require = (other) => (other.startsWith("./") ? load(other.slice(2)) : requireOther(other));
  try {
    compile(file)(module.exports, require, module, file, BUNDLE);
  } catch (error) {
    loaded.delete(name);
    throw error;
  }
  return module.exports;
}

/** `file` holds one function expression in ASCII, which V8 takes as it is, without a copy, behind a hash of it in a comment. */
function compile(file: string): ModuleFunction {
  const text = fs.readFileSync(file, "latin1");
  // V8 itself compares no more than the text's length.
  const hash = text.slice(2, 2 + HASH_CHARACTERS);
  const compiledFile = `${file}.${hash}.${process.version}-${process.arch}.compiled`;
  const cachedData = readCompiled(compiledFile);
  const script = new vm.Script(text, { filename: file, cachedData });
  // V8 rejects what another version of it, or one with other flags, has compiled.
  if (cachedData === undefined || script.cachedDataRejected === true)
    setTimeout(() => keepCompiled(script, compiledFile), COMPILED_AFTER_MS).unref();
  return script.runInThisContext() as ModuleFunction;
}

/** Only now, when the functions that a start needs are compiled. Where it cannot be kept, every start is a slow one. */
function keepCompiled(script: vm.Script, file: string): void {
  const fresh = `${file}.${process.pid}-${crypto.randomBytes(4).toString("hex")}`;
  try {
    const data = script.createCachedData();
    // Others that start in this moment find all of it or nothing. Nobody else may write it, whatever the umask.
    fs.writeFileSync(fresh, Buffer.concat([checksum(data), data]), { flag: "wx", mode: 0o644 });
    fs.renameSync(fresh, file);
  } catch {
    fs.rmSync(fresh, { force: true });
  }
}

/** Undefined where there is none that can be trusted: V8 ends the program over data that are damaged. */
function readCompiled(file: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, "r");
    if ((fs.fstatSync(fd).mode & WRITABLE_BY_OTHERS) !== 0) return undefined;
    const content = fs.readFileSync(fd);
    const data = content.subarray(CHECKSUM_BYTES);
    return checksum(data).equals(content.subarray(0, CHECKSUM_BYTES)) ? data : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

function checksum(data: Buffer): Buffer {
  return crypto.createHash("sha256").update(data).digest();
}

load("command-line.cjs");
