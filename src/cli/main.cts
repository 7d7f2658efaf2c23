#!/usr/bin/env node
// The `holdfast` program as npm installs it: runs the bundle that scripts/bundle.mjs makes, with V8's compiled form of it kept
// beside it. Of 265 ms from exec to listening, Node 20 spent 150 on finding 200 files and on compiling the same each time.
// (Node's own module.enableCompileCache begins with Node 22, and its default folder is one that others may write to.)
// CommonJS, because Node takes 5 ms more to load its loader of ES modules.

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

const requireOther = nodeModule.createRequire(path.join(BUNDLE, "command-line.cjs"));
const loaded = new Map<string, { exports: object }>();

/** A file of the bundle by its name there. Trusted as the program itself is. */
function load(name: string): object {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const file = path.join(BUNDLE, name);
  const require: Require = (other) => (other.startsWith("./") ? load(other.slice(2)) : requireOther(other));
  compile(file)(module.exports, require, module, file, BUNDLE);
  return module.exports;
}

/** `file` holds one function expression in ASCII: V8 takes such a text as it is, without a copy. */
function compile(file: string): ModuleFunction {
  const compiledFile = `${file}.${process.version}-${process.arch}.compiled`;
  const cachedData = readIfThere(compiledFile);
  const script = new vm.Script(fs.readFileSync(file, "latin1"), { filename: file, cachedData });
  // V8 rejects what another version of it, or one with other flags, or another text was compiled to.
  if (cachedData === undefined || script.cachedDataRejected === true)
    setTimeout(() => keepCompiled(script, compiledFile), COMPILED_AFTER_MS).unref();
  return script.runInThisContext() as ModuleFunction;
}

/** Only now, when the functions that a start needs are compiled. Where it cannot be kept, every start is a slow one. */
function keepCompiled(script: vm.Script, file: string): void {
  const fresh = `${file}.${process.pid}`;
  try {
    // Others that start in this moment find all of it or nothing.
    fs.writeFileSync(fresh, script.createCachedData());
    fs.renameSync(fresh, file);
  } catch {
    fs.rmSync(fresh, { force: true });
  }
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

load("command-line.cjs");
