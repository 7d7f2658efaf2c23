// Requests of a web page to an agent on the same machine: a page in a real browser tries them.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { freePort, hasBrowser, visit } from "../support/clients/browser.ts";
import { childrenOf } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

if (!hasBrowser)
  process.stderr.write("skipped: test/wire/web-pages.test.ts needs a browser (apt-get install chromium)\n");

/** JavaScript. `touchBody` is a Start, in its envelope, of a command that creates `file`. */
function startThatTouches(file: string): string {
  return `
const message = new TextEncoder().encode(${JSON.stringify(JSON.stringify({ process: { cmd: "touch", args: [file] } }))});
const touchBody = new Uint8Array(5 + message.length);
new DataView(touchBody.buffer).setUint32(1, message.length);
touchBody.set(message, 5);
const statusOf = (url, options) => fetch(url, options).then((response) => response.status, (error) => error.name);
const post = (type, body, more = {}) => ({ method: "POST", body, ...more, headers: { "content-type": type, ...more.headers } });
`;
}

async function expectNothingRan(agent: RunningAgent, file: string): Promise<void> {
  expect(childrenOf(agent.pid)).toEqual([]);
  await agent.stop();
  expect(existsSync(file)).toBe(false);
}

test.runIf(hasBrowser)(
  "a page of another origin reads nothing and starts nothing, by any kind of request",
  async () => {
    const agent = await startAgent();
    const file = join(createTempFolder(), "touched");
    const found = await visit({
      name: "evil.test",
      agentPort: agent.port,
      script: `${startThatTouches(file)}
const start = agent + "/process.Process/Start";
const seen = {
  list: await statusOf(agent + "/process.Process/List", post("application/json", "{}")),
  start: await statusOf(start, post("application/connect+json", touchBody)),
  // Requests without a preflight: the page cannot read the answer, but the request could act.
  simple: await statusOf(start, { method: "POST", mode: "no-cors", body: touchBody }),
  simpleText: await statusOf(agent + "/process.Process/List", { method: "POST", mode: "no-cors", body: "{}" }),
  health: await statusOf(agent + "/health"),
  beacon: navigator.sendBeacon(start, new Blob([touchBody], { type: "text/plain" })),
};
const form = Object.assign(document.createElement("form"), { method: "post", action: start, enctype: "text/plain", target: "frame" });
const frame = Object.assign(document.createElement("iframe"), { name: "frame" });
document.body.append(frame, form);
await new Promise((resolve) => { frame.onload = resolve; form.submit(); });
report(seen);`,
    });
    // The status of an opaque answer is always 0; the log shows the refusal.
    expect(found).toEqual({
      list: "TypeError",
      start: "TypeError",
      simple: 0,
      simpleText: 0,
      health: "TypeError",
      beacon: true,
    });
    const refusals = agent.stderr().match(/Origin \\"http:\/\/evil\.test:\d+\\" is not allowed/g) ?? [];
    // At least two preflights, two simple requests, the health check and the form; the beacon can be late.
    expect(refusals.length).toBeGreaterThanOrEqual(6);
    await expectNothingRan(agent, file);
  },
);

test.runIf(hasBrowser)(
  "with --console a page under a name of the agent calls it, and a page of another origin still reads and starts nothing",
  async () => {
    const own = await startAgent({ args: ["--console", "--allow-host", "app.test"] });
    const listed = await visit({
      name: "app.test",
      agentPort: own.port,
      script: `${startThatTouches("/dev/null")}
await rebind();
report({
  list: await statusOf("/process.Process/List", post("application/json", "{}")),
  console: await statusOf("/console/session"),
});`,
    });
    expect(listed).toEqual({ list: 200, console: 200 });

    const agent = await startAgent({ args: ["--console"] });
    const file = join(createTempFolder(), "touched");
    const found = await visit({
      name: "evil.test",
      agentPort: agent.port,
      script: `${startThatTouches(file)}
const start = agent + "/process.Process/Start";
const seen = {
  list: await statusOf(agent + "/process.Process/List", post("application/json", "{}")),
  code: await statusOf(agent + "/console/code", post("application/json", "{}")),
  session: await statusOf(agent + "/console/session"),
  simpleCode: await statusOf(agent + "/console/code", { method: "POST", mode: "no-cors", body: "{}" }),
  start: await statusOf(start, post("application/connect+json", touchBody)),
  simple: await statusOf(start, { method: "POST", mode: "no-cors", body: touchBody }),
};
const frame = Object.assign(document.createElement("iframe"), { src: agent + "/console/" });
document.body.append(frame);
await new Promise((resolve) => { frame.onload = resolve; });
try {
  seen.frame = frame.contentDocument === null ? "closed" : "open";
} catch {
  seen.frame = "closed";
}
report(seen);`,
    });
    expect(found).toEqual({
      list: "TypeError",
      code: "TypeError",
      session: "TypeError",
      simpleCode: 0,
      start: "TypeError",
      simple: 0,
      frame: "closed",
    });
    expect(agent.stderr()).not.toContain("console code issued");
    await expectNothingRan(agent, file);
  },
);

test.runIf(hasBrowser)(
  "a page whose name is rebound to the agent reads nothing and starts nothing",
  async () => {
    const agent = await startAgent();
    const file = join(createTempFolder(), "touched");
    const found = await visit({
      name: "evil.test",
      agentPort: agent.port,
      script: `${startThatTouches(file)}
await rebind();
const started = await fetch("/process.Process/Start", post("application/connect+json", touchBody));
report({
  list: await statusOf("/process.Process/List", post("application/json", "{}")),
  // Connect answers errors of streams with status 200.
  start: (await started.text()).includes("permission_denied"),
  health: await statusOf("/health"),
});`,
    });
    expect(found).toEqual({ list: 403, start: true, health: 204 });
    // The browser can also ask for an icon.
    const refusals = agent.stderr().match(/Host \\"evil\.test:\d+\\" is not allowed/g) ?? [];
    expect(refusals.length).toBeGreaterThanOrEqual(2);
    await expectNothingRan(agent, file);
  },
);

test.runIf(hasBrowser)(
  "a page of an allowed origin starts a command with the token, and can read the refusal without it",
  async () => {
    const pagePort = await freePort();
    const agent = await startAgent({
      args: ["--allow-origin", `http://app.test:${pagePort}`],
      env: { HOLDFAST_ACCESS_TOKEN: "secret" },
    });
    const file = join(createTempFolder(), "touched");
    const found = await visit({
      name: "app.test",
      pagePort,
      agentPort: agent.port,
      script: `${startThatTouches(file)}
const token = { headers: { "x-access-token": "secret" } };
const refused = await fetch(agent + "/process.Process/List", post("application/json", "{}"));
const web = await fetch(agent + "/process.Process/List", post("application/grpc-web+proto", new Uint8Array(5)));
const started = await fetch(agent + "/process.Process/Start", post("application/connect+json", touchBody, token));
report({
  refused: [refused.status, (await refused.json()).code],
  web: [web.status, (await web.text()).includes("grpc-status: 16")],
  started: [started.status, (await started.text()).includes("exit status 0")],
});`,
    });
    expect(found).toEqual({ refused: [401, "unauthenticated"], web: [200, true], started: [200, true] });
    expect(existsSync(file)).toBe(true);
  },
);
