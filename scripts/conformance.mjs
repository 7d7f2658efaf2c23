// @ts-check
// `npm run conformance`: the Connect conformance suite against the agent's HTTP server and RPC adapter. A case that fails and
// is not in test/conformance/known-failing.txt fails the run, and so does a listed one that passes. Arguments are passed on
// to the runner (`npm run conformance -- --run "Basic/**" --trace`). Go builds the runner; where Go is missing or too old, the
// script says that it skipped the suite.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

const VERSION = "v1.0.7";
/** A case that gets no answer never ends. The suite takes half a minute. */
const LONGEST_MS = 10 * 60_000;
const MODULE = "connectrpc.com/conformance/cmd/connectconformance";

const root = join(import.meta.dirname, "..");
const tests = join(root, "test/conformance");
// Below node_modules, so that the bundled server finds its packages.
const cache = join(root, "node_modules/.cache/conformance", VERSION);
const runner = join(cache, "connectconformance");
const server = join(cache, "server.mjs");

if (!existsSync(runner) && !hasGo()) {
  console.log("SKIPPED: the conformance suite needs Go 1.21 or later (https://go.dev/dl)");
  process.exit(0);
}
mkdirSync(cache, { recursive: true });
if (!existsSync(runner)) {
  console.error(`conformance: building ${MODULE}@${VERSION}`);
  run("go", ["install", `${MODULE}@${VERSION}`], { ...process.env, GOBIN: cache });
}
await bundleServer();
run(runner, [
  ...["--mode", "server"],
  ...["--conf", join(tests, "config.yaml")],
  ...["--known-failing", `@${join(tests, "known-failing.txt")}`],
  ...process.argv.slice(2),
  ...["--", process.execPath, server],
]);

/** From 1.21 on, Go fetches the version of itself that a module asks for. */
function hasGo() {
  const { error, stdout } = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" });
  const [, major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(stdout ?? "") ?? []).map(Number);
  return error === undefined && (major > 1 || minor >= 21);
}

/** Node 20 does not run TypeScript. */
async function bundleServer() {
  const build = await rolldown({
    input: join(tests, "server.ts"),
    platform: "node",
    external: [/^koffi$/, /^node-pty/],
  });
  await build.write({ file: server, format: "esm" });
  await build.close();
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env = process.env) {
  const { status } = spawnSync(command, args, { stdio: "inherit", env, timeout: LONGEST_MS });
  if (status !== 0) process.exit(status ?? 1);
}
