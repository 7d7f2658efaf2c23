// `holdfast doctor` beside a running agent, and about the way to an agent.
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { runCommand } from "../../support/agent/agent.ts";

const agent = agentForFile();
const file = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}.pem`, import.meta.url));

interface Finding {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
  readonly consequence?: string;
}

async function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = runCommand({ args: ["doctor", "--json", ...args], env });
  const { code } = await command.exited();
  const all = JSON.parse(command.stdout()) as Finding[];
  return { code, all, of: (name: string) => all.find(({ check }) => check === name) };
}

test("an agent that runs at the address is not a failure", async () => {
  const { code, of } = await doctor(["--port", String(agent.port)]);
  expect(of("address")).toEqual({
    check: "address",
    verdict: "ok",
    found: `http://127.0.0.1:${agent.port}: the agent runs there, version 0.1.0`,
  });
  expect(code).toBe(0);
});

test("an agent with a token at the address is not a failure", async () => {
  const running = runCommand({
    args: ["serve", "--port", "0", "--tls-cert", file("cert"), "--tls-key", file("key")],
    env: { HOLDFAST_ACCESS_TOKEN: "a-secret-of-16-or-more" },
  });
  const [, port = ""] = await running.waitFor("stdout", /^holdfast listening on https:.*:(\d+)\n/m);
  expect((await doctor(["--port", port])).of("address")).toMatchObject({
    verdict: "ok",
    found: expect.stringContaining("an agent with an access token runs there"),
  });
});

test("with --url, only the connection to the agent is checked; with HOLDFAST_URL, the machine also", async () => {
  const { code, all } = await doctor(["--url", agent.url]);
  expect(code).toBe(0);
  expect(all.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
    "url ok",
    "connection ok",
    "token ok",
    "agent ok",
  ]);
  const both = await doctor(["--port", "0"], { HOLDFAST_URL: agent.url });
  expect([both.of("kernel")?.verdict, both.of("agent")?.verdict]).toEqual(["ok", "ok"]);
});

test("a proxy variable is a warning, because holdfast does not use it", async () => {
  const { code, of } = await doctor(["--url", agent.url], { HTTPS_PROXY: "http://proxy:3128" });
  expect([code, of("proxy")]).toEqual([
    0,
    expect.objectContaining({ verdict: "warn", found: "HTTPS_PROXY is set" }),
  ]);
});

test("the step of the connection that fails is named, with the fix", async () => {
  const nobody = await doctor(["--url", "127.0.0.1:1"]);
  expect([nobody.code, nobody.of("connection")?.verdict]).toEqual([1, "fail"]);
  expect(nobody.of("connection")?.consequence).toContain("nothing listens there");

  const name = await doctor(["--url", "http://no-such-host.invalid:1"]);
  expect(name.of("name")).toMatchObject({ verdict: "fail", consequence: expect.stringContaining("DNS") });

  const secure = runCommand({
    args: ["serve", "--port", "0", "--tls-cert", file("cert"), "--tls-key", file("key")],
    env: { HOLDFAST_ACCESS_TOKEN: "a-secret-of-16-or-more" },
  });
  const [, port = ""] = await secure.waitFor("stdout", /^holdfast listening on https:.*:(\d+)\n/m);
  const plain = await doctor(["--url", `http://127.0.0.1:${port}`]);
  expect(plain.of("tls")?.consequence).toBe(`name the agent with https://127.0.0.1:${port}`);
  const untrusted = await doctor(["--url", `https://127.0.0.1:${port}`]);
  expect(untrusted.of("tls")).toMatchObject({
    verdict: "fail",
    consequence: expect.stringContaining("--ca"),
  });
  const trusted = await doctor(["--url", `https://127.0.0.1:${port}`, "--ca", file("cert")]);
  expect(trusted.of("tls")).toMatchObject({ verdict: "ok" });
  expect(trusted.of("token")?.consequence).toContain("HOLDFAST_ACCESS_TOKEN_FILE");
});

test("a program that answers nothing is a failure of the connection", async () => {
  const silent = createServer((socket) => socket.end("hello\n"));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as { port: number };
  expect((await doctor(["--url", `http://127.0.0.1:${port}`])).of("connection")).toMatchObject({
    verdict: "fail",
    consequence: expect.stringContaining("does not speak HTTP"),
  });
});
