// The command as npm installs it: a bundle, and next to it V8's compiled form. The first start that has permission writes
// the compiled form, later starts use it, and it never prevents a start.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { cliPath, type RunningAgent, runCommand, startAgent } from "../support/agent/agent.ts";
import { openAgentClock } from "../support/agent/agent-clock.ts";
import { eventually } from "../support/proc/proc.ts";
import { sideBySide } from "../support/side-by-side.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const root = dirname(dirname(dirname(cliPath)));

/** A copy of the command and its bundle, never started. */
function install() {
  const folder = createTempFolder();
  // Other users must be able to run it.
  chmodSync(folder, 0o755);
  const bundle = join(folder, "dist/bundle");
  mkdirSync(bundle, { recursive: true });
  for (const name of readdirSync(join(root, "dist/bundle")).filter((name) => name.endsWith(".cjs")))
    cpSync(join(root, "dist/bundle", name), join(bundle, name));
  cpSync(cliPath, join(folder, "dist/cli/main.cjs"));
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  const command = join(folder, "dist/cli/main.cjs");
  const compiled = () => readdirSync(bundle).filter((name) => !name.endsWith(".cjs"));
  return {
    bundle,
    command,
    compiled,
    compiledMain: () => join(bundle, compiled().find((name) => name.startsWith("command-line.")) ?? ""),
    start: (prefix: readonly string[] = []): Promise<RunningAgent> =>
      startAgent({
        prefix,
        program: [process.execPath, command],
        env: { NODE_PATH: join(root, "node_modules"), HOME: "/" },
      }),
  };
}

type Installed = ReturnType<typeof install>;

async function keptAll({ compiled }: Installed): Promise<void> {
  await eventually(
    "the agent's chunk is kept compiled, and nothing is being written",
    () => compiled().some((name) => name.startsWith("agent-")) && compiled().every(isFinished),
    compiled,
  );
}

const isFinished = (name: string) => name.endsWith(".compiled");

test("the first start stores the compiled form, the second uses it", async () => {
  const installed = install();
  const first = await installed.start();
  expect(installed.compiled()).toEqual([]);
  await keptAll(installed);
  await first.stop();

  const names = installed.compiled();
  const times = () => names.map((name) => statSync(join(installed.bundle, name)).mtimeMs);
  const before = times();
  const second = await installed.start();
  // The command writes a second after it has loaded a file: rejected files would be written by then.
  await (await openAgentClock(second)).seconds(2);
  expect(times()).toEqual(before);
  await second.stop();
});

test("a command that ends at once stores the compiled form, and the next one uses it", () => {
  const installed = install();
  const run = () =>
    spawnSync(process.execPath, [installed.command, "ps", "--url", "http://127.0.0.1:1"], {
      encoding: "utf8",
      env: { ...process.env, NODE_PATH: join(root, "node_modules") },
    });
  expect(run().stderr).toMatch(/^holdfast: no agent at /);
  const names = installed.compiled();
  expect(names.filter((name) => name.startsWith("command-line.") && isFinished(name))).toHaveLength(1);
  expect(names.filter((name) => name.startsWith("with-client-") && isFinished(name))).toHaveLength(1);
  const times = () => names.map((name) => statSync(join(installed.bundle, name)).mtimeMs);
  const before = times();
  expect(run().stderr).toMatch(/^holdfast: no agent at /);
  expect(installed.compiled()).toEqual(names);
  expect(times()).toEqual(before);
});

/** Parts of Node that a command may load in addition to those that node:http needs. Each one more takes every command time. */
const known = ["internal/tty", "os", "process", "timers/promises", "tty", "vm"];

test("the commands of the client load known parts of Node only, and no file of the agent", async () => {
  const installed = install();
  const agent = await installed.start();
  const print = join(createTempFolder(), "print.cjs");
  writeFileSync(
    print,
    `process.on("exit", () => require("node:fs").writeFileSync(process.env.LOADED, process.moduleLoadList.join("\\n")));`,
  );
  const loadedBy = (args: readonly string[]) => {
    const output = join(createTempFolder(), "loaded");
    const { status, stderr } = spawnSync(process.execPath, ["--require", print, ...args], {
      encoding: "utf8",
      env: {
        ...process.env,
        NODE_PATH: join(root, "node_modules"),
        HOLDFAST_URL: agent.url,
        LOADED: output,
      },
    });
    expect({ status, stderr }, args.join(" ")).toMatchObject({ status: 0 });
    const names = readFileSync(output, "utf8").split("\n");
    return names.flatMap((name) => (name.startsWith("NativeModule ") ? [name.slice(13)] : []));
  };
  // Newer versions of Node load more by themselves.
  const byNode = new Set([
    ...loadedBy(["-e", 'require("node:http").request("http://127.0.0.1:1").on("error", () => {})']),
    ...known,
  ]);
  const commands = [
    ["run", "--tag", "first", "--", "true"],
    ["run", "--detach", "--tag", "second", "sleep", "60"],
    ["ps", "--all"],
    ["logs", "first"],
    ["attach", "--from", "0", "first"],
    ["kill", "second"],
    ["wait", "first"],
    ["version"],
  ];
  const unknown = commands.map((command) => ({
    command: command.join(" "),
    more: loadedBy([installed.command, ...command]).filter((name) => !byNode.has(name)),
  }));
  expect(unknown).toEqual(commands.map((command) => ({ command: command.join(" "), more: [] })));
}, 120_000);

/** Measured: 48 to 52 on Node 20. */
const MAX_WAITING_MB = 60;

test("an attach that waits needs at most 60 MB", async () => {
  const installed = install();
  const agent = await installed.start();
  const env = { NODE_PATH: join(root, "node_modules"), HOME: "/", HOLDFAST_URL: agent.url };
  const holdfast = (...args: string[]) =>
    runCommand({ program: [process.execPath, installed.command], args, env });
  await holdfast(
    "run",
    "--detach",
    "--tag",
    "waiting",
    "--",
    "sh",
    "-c",
    "echo ready; exec sleep 600",
  ).exited();
  // The second one uses the compiled form.
  await holdfast("logs", "waiting").exited();
  const attached = holdfast("attach", "--from", "0", "waiting");
  await attached.waitFor("stdout", /ready/);
  const status = readFileSync(`/proc/${attached.pid}/status`, "utf8");
  const residentMb = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000;
  expect(residentMb).toBeGreaterThan(20);
  expect(residentMb).toBeLessThan(MAX_WAITING_MB);
});

const damages: readonly (readonly [string, (file: string) => void])[] = [
  ["empty", (file) => truncateSync(file, 0)],
  ["truncated", (file) => truncateSync(file, 5000)],
  // V8 would end the program over it.
  ["half of zeros", (file) => zeroSecondHalf(file)],
  ["writable for other users", (file) => chmodSync(file, 0o666)],
];

test("the stored form is not used, and is written again, when it is empty, truncated, half of zeros or writable for others", () =>
  sideBySide(damages, async (damage) => {
    const installed = install();
    const first = await installed.start();
    await keptAll(installed);
    await first.stop();
    const file = installed.compiledMain();
    const before = readFileSync(file);
    damage(file);
    const second = await installed.start();
    await eventually(
      "a new file is there",
      () => statSync(file).size > 0.9 * before.length && (statSync(file).mode & 0o777) === 0o644,
      () => statSync(file),
    );
    await second.stop();
    expect((await installed.start()).url).toMatch(/^http/);
  }));

test("the stored form is not used when the program is another one of the same length", async () => {
  const installed = install();
  const first = await installed.start();
  await keptAll(installed);
  await first.stop();
  const main = join(installed.bundle, "command-line.cjs");
  const text = readFileSync(main, "latin1");
  const changed = text.replace("The agent inside a sandbox", "The agent beside a sandbox").slice(18);
  expect(changed).not.toBe(text.slice(18));
  expect(changed.length + 18).toBe(text.length);
  // The beginning that scripts/bundle.mjs would write.
  const hash = createHash("sha256").update(changed.slice(2)).digest("hex").slice(0, 16);
  writeFileSync(main, `/*${hash}${changed}`);
  const { stdout } = spawnSync(process.execPath, [installed.command, "--help"], { encoding: "utf8" });
  expect(stdout).toContain("The agent beside a sandbox");
});

test("other users cannot write the stored files, with any umask", async () => {
  const installed = install();
  const agent = await installed.start(["bash", "-c", 'umask 0; exec "$@"', "bash"]);
  await keptAll(installed);
  await agent.stop();
  for (const name of installed.compiled())
    expect(statSync(join(installed.bundle, name)).mode & 0o777).toBe(0o644);
});

test.runIf(process.getuid?.() === 0)("the command runs if nothing can be stored", async () => {
  const installed = install();
  const agent = await installed.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
  // The command tries to write a second after it has loaded a file.
  await (await openAgentClock(agent)).seconds(2);
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  expect(installed.compiled()).toEqual([]);
  await agent.stop();
});

function zeroSecondHalf(file: string): void {
  const content = readFileSync(file);
  writeFileSync(file, content.fill(0, content.length / 2));
}

test("the RPCs are loaded by the first RPC; without their file it gets an error, and the next one with it an answer", async () => {
  const installed = install();
  const name = readdirSync(installed.bundle).find((file) => file.startsWith("loaded-rpcs-")) ?? "";
  const away = join(dirname(installed.bundle), name);
  renameSync(join(installed.bundle, name), away);
  const agent = await installed.start();
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  const list = () =>
    fetch(`${agent.url}/process.Process/List`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
  const refused = await list();
  expect(refused.status).toBe(503);
  expect(await refused.json()).toEqual({
    code: "unavailable",
    message: "the RPCs could not be loaded: try again, or restart the agent if its files were replaced",
  });
  renameSync(away, join(installed.bundle, name));
  const answered = await list();
  expect({ status: answered.status, body: await answered.json() }).toEqual({ status: 200, body: {} });
});
