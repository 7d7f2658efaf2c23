// The agent's side of the web console: the paths that exist only with --console, one-time codes, sessions, and requests of
// pages that the agent itself serves.

import { connect } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { cliPath, type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { createTokenFile, tokenOf } from "../support/agent/token-file.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { openConnection, rawCall, requestBytes } from "../support/clients/raw-http.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { onTerminal } from "../support/proc/on-terminal.ts";

const TOKEN = "the-access-token-0123456789";
const LIST = "/process.Process/List";
const JSON_TYPE = { "content-type": "application/json" };

const guarded = (...args: string[]) =>
  startAgent({ args: ["--console", ...args], env: { HOLDFAST_ACCESS_TOKEN: TOKEN } });

async function post({ url }: RunningAgent, path: string, body: object, token?: string) {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { ...JSON_TYPE, ...(token === undefined ? {} : { "X-Access-Token": token }) },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text), headers: response.headers };
}

/** A Connect. */
function watchRequest(tag: string, token: string) {
  const message = Buffer.from(JSON.stringify({ process: { tag } }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return requestBytes({
    path: "/process.Process/Connect",
    headers: { "content-type": "application/connect+json", "x-access-token": token },
    body: Buffer.concat([head, message]),
  });
}

async function openSession(agent: RunningAgent, scope: object): Promise<string> {
  const { body } = await post(agent, "/console/code", scope, TOKEN);
  return (await post(agent, "/console/session", { code: body.code })).body.token;
}

test("without --console its paths do not exist, with and without a token", async () => {
  const agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: TOKEN } });
  for (const [method, path] of [
    ["GET", "/console/"],
    ["GET", "/console"],
    ["GET", "/console/assets/main.js"],
    ["POST", "/console/session"],
    ["GET", "/console/session"],
    ["POST", "/console/code"],
  ] as const) {
    const response = await fetch(agent.url + path, { method, headers: { "X-Access-Token": TOKEN } });
    expect({ path, status: response.status }).toEqual({ path, status: 404 });
  }
  expect((await fetch(`${agent.url}/console/`)).status).toBe(404);
});

test("a code that an admin made is traded once for a token with its scope, and says nothing else", async () => {
  const agent = await guarded();
  const issued = await post(agent, "/console/code", { scope: "observe" }, TOKEN);
  expect(issued).toMatchObject({
    status: 200,
    body: { code: expect.stringMatching(/^[\w-]{22}$/), expiresInSeconds: 60, scope: "observe" },
  });
  expect(issued.headers.get("cache-control")).toBe("no-store");
  const opened = await post(agent, "/console/session", { code: issued.body.code });
  expect(opened).toMatchObject({
    status: 200,
    body: {
      token: expect.stringMatching(/^hfs_/),
      scopes: ["observe"],
      instanceId: expect.stringMatching(/^[\da-f-]{36}$/),
    },
  });
  expect(opened.body.expiresInSeconds).toBeGreaterThan(43_190);
  const { token } = opened.body;
  expect(await post(agent, LIST, {}, token)).toMatchObject({ status: 200 });
  expect(await post(agent, "/process.Process/SendSignal", {}, token)).toMatchObject({
    status: 403,
    body: { code: "permission_denied" },
  });
  expect(await post(agent, "/console/code", {}, token)).toMatchObject({ status: 403 });
  const again = await post(agent, "/console/session", { code: issued.body.code });
  expect(again).toMatchObject({
    status: 401,
    body: { code: 401, message: expect.stringContaining("holdfast console makes a new one") },
  });
  await agent.stop();
  for (const secret of [issued.body.code, token, TOKEN])
    expect(agent.stdout() + agent.stderr()).not.toContain(secret);
  for (const line of ["console code issued", "console code used", "console code refused"])
    expect(agent.stderr()).toContain(line);
});

test("a session says what it allows, and ends when its page asks for it", async () => {
  const agent = await guarded();
  const token = await openSession(agent, { scope: "admin", process: "mine" });
  const describe = async (headers: Record<string, string>) => {
    const response = await fetch(`${agent.url}/console/session`, { headers });
    return { status: response.status, body: await response.json() };
  };
  expect(await describe({ "X-Access-Token": token })).toMatchObject({
    status: 200,
    body: { scopes: ["admin"], processes: ["mine"], tokenRequired: true, version: expect.any(String) },
  });
  expect(await describe({ "X-Access-Token": TOKEN })).toMatchObject({ body: { scopes: ["admin"] } });
  expect((await describe({})).status).toBe(401);
  const end = (headers: Record<string, string>) =>
    fetch(`${agent.url}/console/session`, { method: "DELETE", headers });
  expect((await end({ "X-Access-Token": TOKEN })).status).toBe(400);
  expect((await end({ "X-Access-Token": token })).status).toBe(204);
  expect((await describe({ "X-Access-Token": token })).status).toBe(401);
});

test("an agent that needs no token still honours the scope of a session, also of one that has ended", async () => {
  const agent = await startAgent({ args: ["--console"] });
  const { body } = await post(agent, "/console/code", { scope: "observe" });
  const { token } = (await post(agent, "/console/session", { code: body.code })).body;
  const start = { process: { selector: { tag: "x" } }, signal: 9 };
  expect((await post(agent, "/process.Process/SendSignal", start, token)).status).toBe(403);
  expect((await post(agent, "/init", {}, token)).status).toBe(403);
  await fetch(`${agent.url}/console/session`, { method: "DELETE", headers: { "X-Access-Token": token } });
  expect((await post(agent, LIST, {}, token)).status).toBe(401);
  expect((await post(agent, LIST, {})).status).toBe(200);
  const described = await (await fetch(`${agent.url}/console/session`)).json();
  expect(described).toMatchObject({ scopes: ["admin"], tokenRequired: false });
});

test("a token with scopes makes codes only if it is an admin's, and never wider ones", async () => {
  const { path } = createTokenFile([
    { id: "admin", scopes: ["admin"] },
    { id: "observer", scopes: ["observe"] },
    { id: "limited", scopes: ["admin"], processes: ["mine"] },
  ]);
  const agent = await startAgent({ args: ["--console", "--token-file", path] });
  const status = async (id: string) => (await post(agent, "/console/code", {}, tokenOf(id))).status;
  expect([await status("admin"), await status("observer"), await status("limited")]).toEqual([200, 403, 403]);
  expect((await post(agent, "/console/code", {})).status).toBe(401);
});

test.each([
  [{ scope: "root" }, 'scope: "root" is unknown; give one of observe, admin'],
  [{ process: "" }, "process: must be a process_id or a tag"],
  [{ process: "x".repeat(257) }, "process: must be a process_id or a tag"],
  [{ scopes: ["observe"] }, 'the field "scopes" is unknown; known: scope, process'],
])("a request for a code with %j is refused", async (body, message) => {
  const agent = await startAgent({ args: ["--console"] });
  expect(await post(agent, "/console/code", body)).toMatchObject({
    status: 400,
    body: { message: expect.stringContaining(message) },
  });
});

test("a form of another page cannot make or use a code: the type must be JSON", async () => {
  const agent = await startAgent({ args: ["--console"] });
  for (const path of ["/console/code", "/console/session"])
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const response = await fetch(agent.url + path, {
        method: "POST",
        headers: { "Content-Type": type },
        body: "{}",
      });
      expect(response.status).toBe(400);
    }
});

test("codes and sessions end with the generation of the machine, and its streams with them", async () => {
  const agent = await guarded();
  const token = await openSession(agent, {});
  const { body } = await post(agent, "/console/code", {}, TOKEN);
  expect((await post(agent, "/init", { accessToken: TOKEN, lifecycleID: "second-life" })).status).toBe(204);
  expect((await post(agent, "/console/session", { code: body.code })).status).toBe(401);
  expect((await post(agent, LIST, {}, token)).status).toBe(401);
});

test("a session, its scope, an unused code and the instance outlive an upgrade of the agent, and a stream of the session continues and ends with it", async () => {
  const agent = await startAgent({ args: ["--console"] });
  const { body } = await post(agent, "/console/code", { scope: "observe", process: "mine" });
  const opened = (await post(agent, "/console/session", { code: body.code })).body;
  const unused = (await post(agent, "/console/code", { scope: "observe" })).body;
  for (const tag of ["mine", "other"])
    await startAndLeave(agent.port, {
      process: { cmd: "cat", args: [] },
      tag,
      stdin: true,
      // Read also while only an observer is there.
      output: { detached: "DETACHED_BUFFER" },
    });
  const connection = await openConnection(agent.port);
  connection.send(watchRequest("mine", opened.token));
  await connection.until("a start event", (received) => received.includes('"start"') || undefined);
  await upgrade(agent);
  const listed = await post(agent, LIST, { includeEnded: true }, opened.token);
  expect(listed.body.processes.map(({ tag }: { tag: string }) => tag)).toEqual(["mine"]);
  expect((await post(agent, "/process.Process/SendSignal", {}, opened.token)).status).toBe(403);
  const described = await fetch(`${agent.url}/console/session`, {
    headers: { "X-Access-Token": opened.token },
  });
  expect(await described.json()).toMatchObject({
    scopes: ["observe"],
    processes: ["mine"],
    instanceId: opened.instanceId,
  });
  const stdin = Buffer.from("still here").toString("base64");
  const sent = await post(agent, "/process.Process/SendInput", {
    process: { tag: "mine" },
    input: { stdin },
  });
  expect(sent.status).toBe(200);
  await connection.until("the output", (received) => received.includes(stdin) || undefined);
  expect((await post(agent, "/console/session", { code: body.code })).status).toBe(401);
  expect((await post(agent, "/console/session", { code: unused.code })).body.scopes).toEqual(["observe"]);
  await fetch(`${agent.url}/console/session`, {
    method: "DELETE",
    headers: { "X-Access-Token": opened.token },
  });
  await connection.until(
    "the reason",
    (received) => received.includes('{"error":{"code":"unauthenticated"') || undefined,
  );
});

test("a session that ends ends its streams with unauthenticated", async () => {
  const agent = await guarded();
  const token = await openSession(agent, { scope: "observe" });
  await startAndLeave(
    agent.port,
    { process: { cmd: "cat", args: [] }, tag: "cat", stdin: true },
    { "x-access-token": TOKEN },
  );
  const connection = await openConnection(agent.port);
  connection.send(watchRequest("cat", token));
  await connection.until("a start event", (received) => received.includes('"start"') || undefined);
  await fetch(`${agent.url}/console/session`, { method: "DELETE", headers: { "X-Access-Token": token } });
  await connection.until(
    "the reason",
    (received) => received.includes('{"error":{"code":"unauthenticated"') || undefined,
  );
});

const own = "127.0.0.1:80";
test.each([
  ["its own", { host: own, origin: `http://${own}` }, 200],
  [
    "its own, as the browser says",
    { host: own, origin: `http://${own}`, "sec-fetch-site": "same-origin" },
    200,
  ],
  ["its own without the default port", { host: own, origin: "http://127.0.0.1" }, 200],
  ["its own behind TLS", { host: "127.0.0.1:443", origin: "https://127.0.0.1" }, 200],
  ["its own in capitals", { host: "LOCALHOST:80", origin: "http://localhost" }, 200],
  ["another port", { host: own, origin: "http://127.0.0.1:81" }, 403],
  ["another host", { host: own, origin: "http://evil.example" }, 403],
  ["its own name as a part", { host: own, origin: `http://${own}.evil.example` }, 403],
  ["none", { host: own, origin: "null" }, 403],
  ["a file", { host: own, origin: "file://" }, 403],
  [
    "same site, as the browser says",
    { host: own, origin: `http://${own}`, "sec-fetch-site": "same-site" },
    403,
  ],
  [
    "cross site, as the browser says",
    { host: own, origin: `http://${own}`, "sec-fetch-site": "cross-site" },
    403,
  ],
  ["a name that is rebound", { host: "evil.example", origin: "http://evil.example" }, 403],
])(
  "with --console a request whose Origin is %s is answered with the status %#",
  async (_, headers, status) => {
    const agent = await startAgent({ args: ["--console"] });
    const ask = async (port: number) =>
      (await rawCall(port, { path: LIST, headers: { ...JSON_TYPE, ...headers }, body: "{}" })).status;
    expect(await ask(agent.port)).toBe(status);
    expect(await ask((await startAgent()).port)).toBe(403);
  },
);

test("over HTTP/2 the Origin is compared with :authority", async () => {
  const agent = await startAgent({ args: ["--console"] });
  const session = connect(agent.url);
  onTestFinished(() => session.destroy());
  const ask = (origin: string) =>
    new Promise((resolve) => {
      const request = session.request({ ":method": "POST", ":path": LIST, ...JSON_TYPE, origin });
      request.on("response", (headers) => resolve(headers[":status"]));
      request.end("{}");
    });
  expect([await ask(agent.url), await ask("http://evil.example")]).toEqual([200, 403]);
});

test("on a terminal the agent prints a link that works once; elsewhere one without a code", async () => {
  const piped = await startAgent({ args: ["--console"] });
  await piped.waitFor("stdout", /^console at .*\n/m);
  expect(piped.stdout()).toBe(`holdfast listening on ${piped.url}\nconsole at ${piped.url}/console/\n`);
  const terminal = onTerminal([process.execPath, cliPath, "serve", "--port", "0", "--console"]);
  const [, url = "", code = ""] = await terminal.waitFor(/console at (http:\S+)\/console\/#code=([\w-]{22})/);
  const trade = () =>
    fetch(`${url}/console/session`, {
      method: "POST",
      headers: JSON_TYPE,
      body: JSON.stringify({ code }),
    });
  expect((await trade()).status).toBe(200);
  expect((await trade()).status).toBe(401);
});
