// An agent without --console pays nothing for the console: it loads the same files as before, and none of its own later.

import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";

/** Reports each file of the bundle that is read, on stderr. */
function reporter(): string {
  const file = join(createTempFolder(), "report-reads.cjs");
  writeFileSync(
    file,
    `const fs = require("node:fs");
const read = fs.readFileSync;
fs.readFileSync = (file, ...rest) => {
  if (String(file).endsWith(".cjs")) process.stderr.write("READ " + file + "\\n");
  return read(file, ...rest);
};`,
  );
  return file;
}

/** The files that the agent reads until it is ready, and those that it reads for `paths`. */
async function filesReadBy(args: readonly string[], paths: readonly string[]) {
  const agent = await startAgent({ args, nodeArgs: ["--require", reporter()] });
  const files = () =>
    [...agent.stderr().matchAll(/^READ (.*)$/gm)].map(([, file = ""]) =>
      basename(file).replace(/-[\w-]{8}\.cjs$/, ""),
    );
  await agent.waitFor("stderr", /"ready"|ready/);
  const atStart = files();
  for (const path of paths) await (await fetch(agent.url + path)).arrayBuffer();
  await agent.stop();
  return { atStart: atStart.sort(), later: files().slice(atStart.length).sort() };
}

test("without --console the same files are loaded at the start, and none for its paths", async () => {
  expect(cliPath).toContain("dist");
  const paths = ["/console/", "/console/session", "/console/assets/x.js"];
  const without = await filesReadBy([], paths);
  const withConsole = await filesReadBy(["--console"], []);
  expect(without.later).toEqual([]);
  // Its sessions are a source of tokens, so their module is loaded at the start.
  const added = withConsole.atStart.filter((file) => !without.atStart.includes(file));
  expect(without.atStart.filter((file) => !withConsole.atStart.includes(file))).toEqual([]);
  expect(added.length).toBeGreaterThan(0);
  expect(without.atStart.join(" ")).not.toContain("console");
});
