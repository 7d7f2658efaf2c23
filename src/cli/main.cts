#!/usr/bin/env node
// The `holdfast` program as npm installs it: runs the bundle of scripts/bundle.mjs, and stores V8's compiled form of it next
// to it. Of 265 ms from exec to listening, Node 20 spent 150 on finding 200 files and on compiling the same code each time.
// (module.enableCompileCache exists from Node 22 on, and other users can write to its default folder.)
// CommonJS, because loading the ES module loader takes Node 5 ms more.

import fs = require("node:fs");
import path = require("node:path");
import type v8 = require("node:v8");
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
/** When the compiled form is stored. Functions that are first used later do not delay a start. */
const COMPILED_AFTER_MS = 1000;
const HASH_CHARACTERS = 16;
/** The length of the compiled form, its checksum, and two words that keep it aligned: V8 copies it otherwise. */
const HEAD_BYTES = 16;
/** The checksum is of every 16th word. */
const WORD_BYTES = 4;
const CHECKED_WORDS = 16;
const WRITABLE_BY_OTHERS = 0o022;
const V8_WITH_LARGE_PAGE_POOL = 14;

/**
 * V8's space for new objects does not grow in an agent: with large requests it grew to 32 MB, most of which was unused between
 * two collections. (The executable has a flag for that.) Each new thread sets this back for all threads (Heap::ConfigureHeap),
 * so it is set again when the thread is there. V8 accepts a compiled form only with the flags that it was made with. So all
 * flags that src/rpc/memory/garbage.ts sets later are set before the first file is compiled, and the agent's forms are apart.
 */
const isAgent = process.argv.includes("serve");
const setFlag = (flag: string) => (require("node:v8") as typeof v8).setFlagsFromString(flag);
const keepNewSpaceSmall = () => setFlag("--semi-space-growth-factor=1");
if (isAgent) {
  keepNewSpaceSmall();
  setFlag("--expose-gc");
  if (Number.parseInt(process.versions.v8, 10) >= V8_WITH_LARGE_PAGE_POOL) setFlag("--no-large-page-pool");
  process.on("worker", (worker) => void worker.once("online", keepNewSpaceSmall));
}

const loaded = new Map<string, { exports: object }>();

/** Loads a file of the bundle by its name. The file is trusted like the program itself. One that failed can be loaded again. */
function load(name: string): object {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  const file = path.join(BUNDLE, name);
  try {
    compile(file)(module.exports, requireFromBundle, module, file, BUNDLE);
  } catch (error) {
    loaded.delete(name);
    throw error;
  }
  return module.exports;
}

const requireFromBundle: Require = (name) => (name.startsWith("./") ? load(name.slice(2)) : require(name));

/** `file` is a comment with a hash, then one function expression in ASCII, which V8 uses without a copy. */
function compile(file: string): ModuleFunction {
  const text = fs.readFileSync(file, "latin1");
  // The hash is part of the name because V8 itself compares only the length of the text.
  const hash = text.slice(2, 2 + HASH_CHARACTERS);
  const compiledFile = `${file}.${hash}.${process.version}-${process.arch}${isAgent ? "-agent" : ""}.compiled`;
  const cachedData = readCompiled(compiledFile);
  const script = new vm.Script(text, { filename: file, cachedData });
  // V8 rejects code that another version of V8, or one with other flags, has compiled.
  if (cachedData === undefined || script.cachedDataRejected === true) storeLater(script, compiledFile);
  return script.runInThisContext() as ModuleFunction;
}

/** Scripts whose compiled form is to be stored, by its file. */
const unstored = new Map<string, vm.Script>();

/** After a while, or at the end of a command that ends earlier: most do. */
function storeLater(script: vm.Script, file: string): void {
  unstored.set(file, script);
  setTimeout(() => {
    if (unstored.delete(file)) storeCompiled(script, file);
  }, COMPILED_AFTER_MS).unref();
}

process.once("exit", () => {
  // Without the permission to write, every command would do this for nothing.
  if (unstored.size > 0 && canWrite(BUNDLE))
    for (const [file, script] of unstored) storeCompiled(script, file);
});

function canWrite(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs when the functions that a start needs are compiled. If storing fails, every start is slow. */
function storeCompiled(script: vm.Script, file: string): void {
  // No other process has this pid at this time.
  const fresh = `${file}.${process.pid}-${process.hrtime.bigint()}`;
  try {
    const data = script.createCachedData();
    // A concurrent start finds the whole file or none. Other users cannot write it, with any umask.
    fs.writeFileSync(fresh, Buffer.concat([head(data), data]), { flag: "wx", mode: 0o644 });
    fs.renameSync(fresh, file);
  } catch {
    fs.rmSync(fresh, { force: true });
  }
}

/** Undefined if there is no file to trust: V8 ends the program when the data are damaged. */
function readCompiled(file: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, "r");
    if ((fs.fstatSync(fd).mode & WRITABLE_BY_OTHERS) !== 0) return undefined;
    const content = fs.readFileSync(fd);
    const data = content.subarray(HEAD_BYTES);
    return head(data).equals(content.subarray(0, HEAD_BYTES)) ? data : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/**
 * Detects a file that is too short and blocks that a crash lost: eight words of each sector of 512 bytes are checked. A hash
 * of everything takes every command 10 ms, most of them to load Node's cryptography.
 */
function head(data: Buffer): Buffer {
  // A view of words must be aligned.
  const aligned = data.byteOffset % WORD_BYTES === 0 ? data : Buffer.from(new Uint8Array(data).buffer);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, Math.floor(data.length / WORD_BYTES));
  let sum = data.length;
  for (let at = 0; at < words.length; at += CHECKED_WORDS) sum = (Math.imul(sum, 31) + (words[at] ?? 0)) | 0;
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeUInt32LE(data.length);
  bytes.writeInt32LE(sum, WORD_BYTES);
  return bytes;
}

// While the next image of a running agent is loaded, a signal must neither end it nor be lost:
// src/agent/stop-signals.ts takes the signals that were received. Here, because the command itself
// could listen 20 ms later.
if (process.env["HOLDFAST_STATE"] !== undefined) {
  const heard: string[] = [];
  const listeners = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR2"].map((signal) => {
    const hear = () => void heard.push(signal);
    process.on(signal, hear);
    return () => void process.off(signal, hear);
  });
  const stop = () => {
    for (const stopListening of listeners) stopListening();
  };
  Reflect.set(globalThis, "holdfastEarlySignals", { heard, stop });
}

load("command-line.cjs");
