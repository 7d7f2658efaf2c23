// `holdfast doctor` on machines without and with real problems.

import { chmodSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { cliPath, runCommand } from "../../support/agent/agent.ts";
import { childrenOf } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const isRoot = process.getuid?.() === 0;
const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

interface Finding {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
  readonly consequence?: string;
}

async function doctor(
  args: readonly string[] = [],
  options: { readonly prefix?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{
  readonly code: number | null;
  readonly of: (check: string) => Finding | undefined;
  readonly all: Finding[];
}> {
  const command = runCommand({ args: ["doctor", "--port", "0", "--json", ...args], ...options });
  const { code } = await command.exited();
  expect(command.stderr()).toBe("");
  const all = JSON.parse(command.stdout()) as Finding[];
  return { code, of: (name) => all.find(({ check }) => check === name), all };
}

test("where the agent works, it prints one line per check and leaves nothing behind", async () => {
  const command = runCommand({ args: ["doctor", "--port", "0"] });
  expect(await command.exited()).toEqual({ code: 0, signal: null });
  const lines = command.stdout().trimEnd().split("\n");
  for (const line of lines) expect(line).toMatch(/^(ok {2}|warn) {2}\S.{11} {2}\S/);
  for (const check of ["kernel", "libc", "node", "commands", "terminals", "users", "address"])
    expect(command.stdout()).toMatch(new RegExp(`^(ok|warn) +${check} `, "m"));
  expect(command.stderr()).toBe("");
  expect(childrenOf(process.pid).filter((pid) => pid === command.pid)).toEqual([]);
});

test("--json is an array of the same findings", async () => {
  const { code, all, of } = await doctor();
  expect(code).toBe(0);
  expect(of("node")).toEqual({ check: "node", verdict: "ok", found: process.version });
  expect(of("terminals")).toMatchObject({
    verdict: "ok",
    found: expect.stringMatching(/^open, as \/dev\/pts\/\d+$/),
  });
  for (const finding of all) expect(["ok", "warn"]).toContain(finding.verdict);
});

test("a port in use is a failure, also if the other checks succeed", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const { code, of } = await doctor(["--port", String(port)]);
  expect(code).toBe(1);
  expect(of("address")).toMatchObject({
    verdict: "fail",
    found: expect.stringContaining(`port ${port} is in use`),
  });
  expect(of("commands")).toMatchObject({ verdict: "ok" });
});

test("a Unix socket that cannot be created is a failure, and one that can be created is left free", async () => {
  const folder = createTempFolder();
  expect((await doctor(["--listen", `unix:${folder}/none/socket`])).of("address")).toMatchObject({
    verdict: "fail",
  });
  const path = join(folder, "socket");
  for (let i = 0; i < 2; i++)
    expect((await doctor(["--listen", `unix:${path}`])).of("address")).toMatchObject({
      verdict: "ok",
      found: `unix:${path}`,
    });
});

test("an address that other machines can reach is a warning", async () => {
  const { code, of } = await doctor(["--host", "0.0.0.0"]);
  expect([code, of("address")?.verdict]).toEqual([0, "warn"]);
  expect(of("address")?.consequence).toContain("access token");
});

test("an unknown user is a failure", async () => {
  const { code, of } = await doctor(["--default-user", "nobody-knows"]);
  expect(code).toBe(1);
  expect(of("default user")).toMatchObject({ verdict: "fail", found: 'no such user: "nobody-knows"' });
});

test.runIf(isRoot)("a user other than root gets the consequences", async () => {
  const { code, of } = await doctor(["--nice=-3"], { prefix: asNobody, env: { HOME: "/" } });
  expect(code).toBe(0);
  expect(of("users")).toMatchObject({ verdict: "warn", found: "not root" });
  expect(of("priorities")).toMatchObject({
    verdict: "warn",
    found: expect.stringContaining("no right to make it -3"),
  });
});

test.runIf(isRoot)("commands run as another user without setpriv in PATH", async () => {
  const bin = createTempFolder();
  // The command is looked up with the rights of its user.
  chmodSync(bin, 0o755);
  for (const name of ["echo", "tty", "id"]) symlinkSync(join("/usr/bin", name), join(bin, name));
  const { of } = await doctor([], { env: { PATH: bin } });
  expect(of("users")).toMatchObject({ verdict: "ok" });
  expect(of("terminals")).toMatchObject({ verdict: "ok" });
});

test("without a command in PATH, it reports that none starts", async () => {
  const { code, of } = await doctor([], { env: { PATH: [createTempFolder()].join(delimiter) } });
  expect(code).toBe(1);
  expect(of("commands")).toMatchObject({ verdict: "fail", consequence: "no command starts" });
});

test("few descriptors are a warning", async () => {
  const { of } = await doctor([], { prefix: ["prlimit", "--nofile=200"] });
  expect(of("open files")).toMatchObject({ verdict: "warn", found: "up to 200" });
});

test("a memory budget that does not fit is a warning", async () => {
  const { code, of } = await doctor(["--memory-budget", "100000GiB"]);
  expect([code, of("memory")?.verdict]).toEqual([0, "warn"]);
});

test("a folder that is not a cgroup is a failure", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "none"));
  const { code, of } = await doctor(["--cgroup", join(folder, "none")]);
  expect(code).toBe(1);
  expect(of("agent")).toMatchObject({
    verdict: "fail",
    found: expect.stringContaining("it is not a cgroup of version 2"),
  });
});

test.runIf(isRoot)("without /dev/pts, terminals fail and commands on pipes work", async () => {
  const hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/pts && exec "$@"', "sh"];
  const { code, of } = await doctor([], { prefix: hidden });
  expect(code).toBe(1);
  expect(of("terminals")).toMatchObject({ verdict: "fail", consequence: "no command starts on a terminal" });
  expect(of("commands")).toMatchObject({ verdict: "ok" });
});

test.runIf(isRoot)("without /proc, it reports that and does not hang", async () => {
  const hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"];
  const { code, of } = await doctor([], { prefix: hidden });
  expect(code).toBe(1);
  expect(of("/proc")).toMatchObject({ verdict: "fail", found: "not mounted" });
});

test("a bad option is a usage error", async () => {
  const command = runCommand({ args: ["doctor", "--port", "x"] });
  expect((await command.exited()).code).toBe(2);
  expect(cliPath).toMatch(/main\.cjs$/);
});

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
const tls = ["--tls-cert", fixture("cert.pem"), "--tls-key", fixture("key.pem")];

test.runIf(isRoot && existsSync("/sys/bus/platform/drivers"))(
  "TLS on a machine that may be cloned is a warning, and only there",
  async () => {
    const device = "/sys/bus/platform/drivers/vmgenid/VMGENCTR:00";
    const script = `mount -t tmpfs none /sys/bus/platform/drivers && mkdir -p ${device} && exec "$@"`;
    const prefix = ["unshare", "--mount", "sh", "-c", script, "sh"];
    const { code, of } = await doctor(tls, { prefix });
    expect([code, of("tls")]).toEqual([
      0,
      {
        check: "tls",
        verdict: "warn",
        found: expect.stringMatching(/^this machine may be cloned \(\/.*\)$/),
        consequence: expect.stringContaining("clones may use the same keys"),
      },
    ]);
    expect((await doctor([], { prefix })).of("tls")).toBe(undefined);
  },
);
