// `holdfast console`: the link that it prints, and the message when it has none.

import { expect, onTestFinished, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { killAll } from "../../support/agent/running-processes.ts";
import { startAndLeave } from "../../support/clients/start-and-leave.ts";
import { finished, holdfast } from "../holdfast.ts";

function link(url: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return finished(holdfast(url, ["console", ...args], { env }));
}

async function trade({ url }: RunningAgent, code: string) {
  const response = await fetch(`${url}/console/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  return { status: response.status, body: await response.json() };
}

test("the link has a code that opens a session once", async () => {
  const agent = await startAgent({ args: ["--console"] });
  const { stdout, code } = await link(agent.url);
  expect(code).toBe(0);
  const [, base, oneTime = ""] = /^(http:\S+)\/console\/#code=([\w-]{22})\n$/.exec(stdout) ?? [];
  expect(base).toBe(agent.url);
  expect(await trade(agent, oneTime)).toMatchObject({ status: 200, body: { scopes: ["admin"] } });
  expect((await trade(agent, oneTime)).status).toBe(401);
});

test("--read-only and --process limit the session, and the link names the process", async () => {
  const agent = await startAgent({ args: ["--console"] });
  onTestFinished(() => killAll(agent.url));
  await startAndLeave(agent.port, { process: { cmd: "cat", args: [] }, tag: "mine", stdin: true });
  const { stdout } = await link(agent.url, ["--read-only", "--process", "mine", "--json"]);
  const { url, process_id, ...rest } = JSON.parse(stdout);
  expect(rest).toEqual({ expires_in_seconds: 60, read_only: true });
  const fragment = new URLSearchParams(new URL(url).hash.slice(1));
  expect([fragment.get("process"), fragment.get("mode")]).toEqual([process_id, "watch"]);
  expect(await trade(agent, fragment.get("code") ?? "")).toMatchObject({
    body: { scopes: ["observe"], processes: [process_id] },
  });
});

test("an agent without a console, without the right token, or without the process is explained", async () => {
  const plain = await startAgent();
  expect(await link(plain.url)).toMatchObject({
    code: 1,
    stderr: `holdfast: the agent at ${plain.url} serves no web console; start it with holdfast serve --console\n`,
  });
  const guarded = await startAgent({
    args: ["--console"],
    env: { HOLDFAST_ACCESS_TOKEN: "a-token-of-the-agent" },
  });
  const refused = await link(guarded.url);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("access token");
  const env = { HOLDFAST_ACCESS_TOKEN: "a-token-of-the-agent" };
  expect((await link(guarded.url, [], env)).code).toBe(0);
  const missing = await link(guarded.url, ["--process", "nothing"], env);
  expect(missing.stderr).toContain('no process has the pid, tag or process_id "nothing"');
  expect((await link("unix:/run/holdfast.sock")).stderr).toContain(
    "a browser cannot reach unix:/run/holdfast.sock",
  );
});
