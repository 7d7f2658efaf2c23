// @ts-check
// The program of file threads (src/filesystem/threads/thread-main.ts) as one text inside the agent.
// A plugin for the bundler, which builds the agent, and for vitest, which runs src itself.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

/**
 * @param {string} root
 * @param {import("rolldown").InputOptions} options  for the bundle of the thread
 */
export function threadSource(root, options) {
  const place = join(root, "src/filesystem/threads/thread-source.ts");
  /** @type {Promise<string> | undefined} */
  let source;
  return {
    name: "thread-source",
    /** @param {string} id */
    async load(id) {
      if (id !== place) return null;
      source ??= bundle(root, options);
      const code = JSON.stringify(await source);
      const text = readFileSync(place, "utf8");
      const replaced = text.replace(/(THREAD_SOURCE: string = ).*;/, (_, before) => `${before}${code};`);
      if (replaced === text) throw new Error(`${place} has no THREAD_SOURCE`);
      return replaced;
    },
  };
}

/**
 * Packages are found as the agent finds them: a thread that runs a text has no path of its own.
 * @param {string} root
 * @param {import("rolldown").InputOptions} options
 */
async function bundle(root, options) {
  const build = await rolldown({
    ...options,
    input: join(root, "src/filesystem/threads/thread-main.ts"),
    platform: "node",
    onLog(level, log) {
      if (level === "warn") throw new Error(log.message);
    },
  });
  const { output } = await build.generate({
    format: "cjs",
    codeSplitting: false,
    comments: false,
    strict: true,
  });
  await build.close();
  const require =
    'require("node:module").createRequire(require("node:worker_threads").workerData.resolveFrom)';
  return `(function (require) {${output[0].code}\n})(${require});`;
}
