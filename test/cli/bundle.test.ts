// The command as npm installs it: a bundle, and beside it what V8 compiled it to. That is made by the first start that may,
// used by the next ones, and never in the way.

import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { cliPath, type RunningAgent, startAgent } from "../support/agent.ts";
import { eventually } from "../support/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const root = dirname(dirname(dirname(cliPath)));

/** A copy of the command and its bundle, never started. */
function install() {
  const folder = createTempFolder();
  // For whoever runs it.
  chmodSync(folder, 0o755);
  const bundle = join(folder, "dist/bundle");
  mkdirSync(bundle, { recursive: true });
  for (const name of readdirSync(join(root, "dist/bundle")).filter((name) => name.endsWith(".cjs")))
    cpSync(join(root, "dist/bundle", name), join(bundle, name));
  cpSync(cliPath, join(folder, "dist/cli/main.cjs"));
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  return {
    bundle,
    compiled: () => readdirSync(bundle).filter((name) => !name.endsWith(".cjs")),
    start: (prefix: readonly string[] = []): Promise<RunningAgent> =>
      startAgent({
        prefix,
        program: [process.execPath, join(folder, "dist/cli/main.cjs")],
        env: { NODE_PATH: join(root, "node_modules"), HOME: "/" },
      }),
  };
}

type Installed = ReturnType<typeof install>;

/** Of the chunks that a start loads; the others are never compiled. */
const MAIN = `command-line.cjs.${process.version}-${process.arch}.compiled`;

async function keptAll({ compiled }: Installed): Promise<void> {
  await eventually(
    "the agent's chunk is kept compiled, and nothing is being written",
    () => compiled().some((name) => name.startsWith("agent.")) && compiled().every(isFinished),
    compiled,
  );
}

const isFinished = (name: string) => name.endsWith(".compiled");

test("the first start keeps what it compiled, the second uses it", async () => {
  const installed = install();
  const first = await installed.start();
  expect(installed.compiled()).toEqual([]);
  await keptAll(installed);
  await first.stop();

  const names = installed.compiled();
  const times = () => names.map((name) => statSync(join(installed.bundle, name)).mtimeMs);
  const before = times();
  const second = await installed.start();
  // As long as it took the first one to write them: what was rejected would be written anew.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(times()).toEqual(before);
  await second.stop();
});

test.each([
  ["is no compiled code", Buffer.from("nonsense")],
  ["is empty", Buffer.alloc(0)],
])("a file that %s is replaced", async (_, content) => {
  const installed = install();
  const file = join(installed.bundle, MAIN);
  writeFileSync(file, content);
  const agent = await installed.start();
  await keptAll(installed);
  await eventually(
    "the file is replaced",
    () => statSync(file).size > 10_000,
    () => statSync(file).size,
  );
  await agent.stop();
});

test.runIf(process.getuid?.() === 0)("where nothing can be kept, it runs all the same", async () => {
  const installed = install();
  const agent = await installed.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
  // Longer than it waits before it tries.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  expect(installed.compiled()).toEqual([]);
  await agent.stop();
  expect(existsSync(join(installed.bundle, MAIN))).toBe(false);
});
