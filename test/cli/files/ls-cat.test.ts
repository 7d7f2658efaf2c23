// `holdfast ls` and `holdfast cat` against a real agent.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { cliPath } from "../../support/agent/agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast, holdfastOnTerminal } from "../holdfast.ts";
import { contentOf } from "./tree.ts";

const agent = agentForFile();
let folder = "";
beforeEach(() => {
  folder = createTempFolder();
});
const run = (...args: string[]) => finished(holdfast(agent.url, args, { env: { TZ: "UTC" } }));

/** stdout as bytes. */
function bytesOf(url: string, ...args: string[]): { readonly stdout: Buffer; readonly code: number | null } {
  const env = { ...process.env, HOLDFAST_URL: url, XDG_CONFIG_HOME: "/dev/null" };
  const { stdout, status } = spawnSync(process.execPath, [cliPath, ...args], { env, maxBuffer: 1e9 });
  return { stdout, code: status };
}

test("ls prints names in order, hidden ones with -a, and everything of them with -l", async () => {
  writeFileSync(join(folder, "b"), "12345", { mode: 0o640 });
  writeFileSync(join(folder, ".hidden"), "");
  mkdirSync(join(folder, "a"), { mode: 0o700 });
  symlinkSync("b", join(folder, "link"));
  utimesSync(join(folder, "b"), 1_600_000_000, 1_600_000_000);
  expect(await run("ls", `:${folder}`)).toEqual({ code: 0, stdout: "a\nb\nlink\n", stderr: "" });
  expect((await run("ls", "-a", `:${folder}`)).stdout).toBe(".hidden\na\nb\nlink\n");
  const long = (await run("ls", "-l", `:${folder}`)).stdout.split("\n");
  expect(long[0]).toMatch(/^drwx------ {2}\S+ {2}\S+ +\d+ {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}a$/);
  expect(long[1]).toMatch(/^-rw-r----- {2}\S+ {2}\S+ +5 {2}2020-09-13 12:26 {2}b$/);
  expect(long[2]).toMatch(new RegExp(`^lrwxrwxrwx .* link -> ${folder}/b$`));
});

test("ls of a file prints it, several paths have headings, and one that fails does not stop the others", async () => {
  writeFileSync(join(folder, "f"), "");
  mkdirSync(join(folder, "d"));
  writeFileSync(join(folder, "d/x"), "");
  expect((await run("ls", `:${folder}/f`)).stdout).toBe(`${folder}/f\n`);
  const { code, stdout, stderr } = await run("ls", `:${folder}/no`, `:${folder}/d`, `:${folder}/f`);
  expect({ code, stdout }).toEqual({ code: 1, stdout: `${folder}/f\n\n:${folder}/d:\nx\n` });
  expect(stderr).toMatch(/^holdfast: on the agent: .*; holdfast ls :.* lists what is there\n$/);
  expect((await run("ls", folder)).stderr).toBe(
    `holdfast: "${folder}" is not a path on the agent: write :${folder}\n`,
  );
});

test("ls --json has every field of each entry", async () => {
  writeFileSync(join(folder, "f"), "123", { mode: 0o600 });
  const [entry, ...rest] = JSON.parse((await run("ls", "--json", `:${folder}`)).stdout);
  expect(rest).toEqual([]);
  expect(entry).toMatchObject({
    ...{ name: "f", path: `${folder}/f`, kind: "file", size: 3, mode: "0600", permissions: "-rw-------" },
    ...{ link_target: null, metadata: {} },
  });
  expect(Number.isNaN(Date.parse(entry.modified_at))).toBe(false);
});

test("on a terminal, a name cannot move the cursor", async () => {
  writeFileSync(join(folder, "a\u001b[2Jb"), "");
  const terminal = holdfastOnTerminal(agent.url, ["ls", `:${folder}`]);
  await terminal.exited();
  expect(terminal.shown()).toBe("a?[2Jb\r\n");
  expect((await run("ls", `:${folder}`)).stdout).toBe("a\u001b[2Jb\n");
});

test("cat prints any bytes, of several files, and continues after one that fails", async () => {
  writeFileSync(join(folder, "one"), contentOf(300_000));
  writeFileSync(join(folder, "two"), Buffer.from([0, 255, 10]));
  const { stdout, code } = bytesOf(agent.url, "cat", `:${folder}/one`, `:${folder}/no`, `:${folder}/two`);
  expect(code).toBe(1);
  expect(stdout.equals(Buffer.concat([contentOf(300_000), Buffer.from([0, 255, 10])]))).toBe(true);
});

test("cat continues at the next byte when the connection is cut", async () => {
  const content = contentOf(4_000_000);
  writeFileSync(join(folder, "big"), content);
  const proxy = await startCuttingProxy({
    port: agent.port,
    afterBytes: { min: 400_000, max: 900_000 },
    kinds: ["rst", "fin"],
    maxCuts: 8,
  });
  const command = holdfast(proxy.url, [], {
    program: ["sh", "-c", `'${process.execPath}' '${cliPath}' cat ':${folder}/big' | sha256sum`],
  });
  const { createHash } = await import("node:crypto");
  const { stdout } = await finished(command);
  expect(stdout.slice(0, 64)).toBe(createHash("sha256").update(content).digest("hex"));
  expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(0);
});

test("a reader of stdout that leaves ends cat with 141 and no message", async () => {
  writeFileSync(join(folder, "big"), contentOf(4_000_000));
  const command = holdfast(agent.url, [], {
    program: [
      "bash",
      "-c",
      `'${process.execPath}' '${cliPath}' cat ':${folder}/big' | head -c 1 > /dev/null; echo "\${PIPESTATUS[0]}"`,
    ],
  });
  expect(await finished(command)).toEqual({ code: 0, stdout: "141\n", stderr: "" });
});

test("an agent that is not there is an error at once", async () => {
  for (const command of ["cat", "ls"])
    expect(await finished(holdfast("http://127.0.0.1:1", [command, ":/x"]))).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "holdfast: no agent at http://127.0.0.1:1: nothing listens there (--url or HOLDFAST_URL says where it is)\n",
    });
});
