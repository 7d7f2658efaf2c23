// Starting: the line on stdout, the addresses, and the messages about an address that cannot be used.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type RunningCommand, runCommand, startAgent } from "../support/agent/agent.ts";

test("it prints exactly one line to stdout in its whole life", async () => {
  const agent = await startAgent();
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
  expect(agent.stdout()).toBe(`holdfast listening on http://127.0.0.1:${agent.port}\n`);
});

test("port 0 picks a free port, a different one for each agent", async () => {
  const [one, other] = await Promise.all([startAgent(), startAgent()]);
  expect(one.port).not.toBe(other.port);
  for (const { url } of [one, other]) expect((await fetch(`${url}/health`)).status).toBe(204);
});

test("an IPv6 host is in brackets in the line, with and without brackets in the flag", async () => {
  for (const host of ["::1", "[::1]"]) {
    const agent = await startAgent({ args: ["--host", host] });
    expect(agent.url).toBe(`http://[::1]:${agent.port}`);
    expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  }
});

test("a variable sets the same as its flag, and the flag wins", async () => {
  const byVariable = await startAgent({ env: { HOLDFAST_HOST: "127.0.0.2" } });
  expect(byVariable.url).toBe(`http://127.0.0.2:${byVariable.port}`);
  const byFlag = await startAgent({
    args: ["--host", "127.0.0.3"],
    env: { HOLDFAST_HOST: "not even valid" },
  });
  expect(byFlag.url).toBe(`http://127.0.0.3:${byFlag.port}`);
});

test("an empty variable counts as not set", async () => {
  const agent = await startAgent({ env: { HOLDFAST_HOST: "", HOLDFAST_LOG_LEVEL: "" } });
  expect(agent.url).toBe(`http://127.0.0.1:${agent.port}`);
});

test("a misspelled variable is named in the log, a variable of another command is not", async () => {
  const agent = await startAgent({ env: { HOLDFAST_PROT: "80", HOLDFAST_URL: "http://127.0.0.1:1" } });
  await agent.waitFor("stderr", /"level":"warn".*HOLDFAST_PROT/);
  await agent.stop();
  expect(agent.stderr()).not.toContain("HOLDFAST_URL");
});

test("any address other than loopback causes a warning", async () => {
  const everywhere = await startAgent({ args: ["--host", "0.0.0.0", "--allow-unauthenticated"] });
  await everywhere.waitFor("stderr", /"level":"warn".*0\.0\.0\.0.*no access token/);
  const local = await startAgent({ args: ["--host", "localhost"] });
  await local.stop();
  expect(local.stderr()).not.toContain('"warn"');
});

test("a port in use is one line and exit code 1", async () => {
  const taken = createServer();
  onTestFinished(() => void taken.close());
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  await expectStartFailure(
    runCommand({ args: ["serve", "--port", String(port)] }),
    `cannot listen on 127.0.0.1:${port}: port ${port} is in use; ` +
      "stop the program that uses it, or choose another port with --port (0 picks a free one)",
  );
});

test("an address of another machine is one line and exit code 1", async () => {
  await expectStartFailure(
    runCommand({ args: ["serve", "--port", "0", "--host", "192.0.2.1"] }),
    "cannot listen on 192.0.2.1:0: this machine has no address 192.0.2.1; " +
      "choose one of its addresses with --host (127.0.0.1, or 0.0.0.0 for all)",
  );
});

test("a name without an address is one line and exit code 1", async () => {
  const command = runCommand({ args: ["serve", "--port", "0", "--host", "no-such-host.invalid"] });
  expect(await command.exited()).toEqual({ code: 1, signal: null });
  expect(command.stderr()).toMatch(
    /^holdfast: cannot listen on no-such-host\.invalid:0: the name no-such-host\.invalid has no address .*\n$/,
  );
});

test("a low port without permission is one line and exit code 1", async () => {
  // The highest port that needs a permission. A container may set 0: then no port is refused.
  const port = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) - 1;
  if (port < 1) return;
  const asNobody = [
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
  ];
  await expectStartFailure(
    // Without --nice=inherit, a test run with a nice value above 0 would also log a warning.
    runCommand({
      args: ["serve", "--nice=inherit", "--port", String(port)],
      prefix: process.getuid?.() === 0 ? asNobody : [],
    }),
    `cannot listen on 127.0.0.1:${port}: permission denied for port ${port}; ` +
      "ports below 1024 need root or CAP_NET_BIND_SERVICE (choose another port with --port)",
  );
});

async function expectStartFailure(command: RunningCommand, line: string): Promise<void> {
  const exit = await command.exited();
  expect(command.stderr()).toBe(`holdfast: ${line}\n`);
  expect(command.stdout()).toBe("");
  expect(exit).toEqual({ code: 1, signal: null });
}
