// A web page must not reach the agent, neither under its own name (DNS rebinding) nor from an origin that
// is not allowed.

import { connect } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import { rawCall } from "../support/clients/raw-http.ts";

const agent = survivingAgent();
const LIST = "/process.Process/List";
const JSON_TYPE = { "content-type": "application/json" };

async function statusFor(port: number, headers: Record<string, string>): Promise<number> {
  return (await rawCall(port, { path: LIST, headers: { ...JSON_TYPE, ...headers }, body: "{}" })).status;
}

test.each([
  ["localhost", 200],
  ["LOCALHOST:1", 200],
  ["localhost.:49983", 200],
  ["127.0.0.1", 200],
  ["192.0.2.7:80", 200],
  ["[::1]:49983", 200],
  ["[::ffff:127.0.0.1]", 200],
  ["evil.example", 403],
  ["evil.example:49983", 403],
  ["localhost.evil.example", 403],
  ["127.0.0.1.evil.example", 403],
  ["127.1", 403],
  ["0x7f000001", 403],
  ["xlocalhost", 403],
])("Host %s is answered with %i", async (host, status) => {
  expect(await statusFor(agent.port, { host })).toBe(status);
});

test("the refusal of a Host names it and the flag, in the format of the protocol", async () => {
  const headers = { ...JSON_TYPE, host: "evil.example" };
  const { body } = await rawCall(agent.port, { path: LIST, headers, body: "{}" });
  expect(JSON.parse(body.toString())).toEqual({
    code: "permission_denied",
    message: 'Host "evil.example" is not allowed; add it with --allow-host',
  });
});

test("the health check is answered under every name", async () => {
  const request = { method: "GET", path: "/health", headers: { host: "49983-abc.sandbox.example" } };
  expect(await rawCall(agent.port, request)).toMatchObject({ status: 204 });
});

test("behind a proxy that passes on its public Host, a request with the token is answered", async () => {
  const { port } = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: "secret" } });
  const host = "49983-abc.sandbox.example";
  expect(await statusFor(port, { host, "x-access-token": "secret" })).toBe(200);
  expect(await statusFor(port, { host, authorization: "Bearer secret" })).toBe(200);
  // Without it, the token is what is missing.
  expect(await statusFor(port, { host })).toBe(401);
  const init = (headers: Record<string, string>) =>
    rawCall(port, { path: "/init", headers: { host, ...headers }, body: '{"accessToken":"secret"}' });
  expect(await init({ "x-access-token": "secret" })).toMatchObject({ status: 204 });
  expect(await init({})).toMatchObject({ status: 403 });
});

test("a refusal of an HTTP endpoint is JSON, as envd's are", async () => {
  const headers = { host: "evil.example" };
  const response = await rawCall(agent.port, { method: "GET", path: "/metrics", headers });
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(JSON.parse(response.body.toString())).toEqual({
    code: 403,
    message: 'Host "evil.example" is not allowed; add it with --allow-host',
  });
});

test.each([
  [{ ":authority": "localhost" }, 200],
  [{ ":authority": "evil.example" }, 403],
  [{ ":authority": "localhost", host: "evil.example" }, 403],
])("h2c: %j is answered with %i", async (names, status) => {
  const session = connect(`http://127.0.0.1:${agent.port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": LIST, ...names, ...JSON_TYPE });
  stream.end("{}");
  const answered = await new Promise((resolve, reject) => {
    stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
  });
  expect(answered).toBe(status);
});

test("requests for names given with --allow-host, and for the name in --host, are answered", async () => {
  const args = [
    "--host",
    "localhost",
    "--allow-host",
    "agent,*.internal.example",
    "--allow-host",
    "Other.example",
  ];
  const { port } = await startAgent({ args });
  for (const [host, status] of [
    ["agent:80", 200],
    ["AGENT", 200],
    ["a.internal.example", 200],
    ["a.b.internal.example", 200],
    ["internal.example", 403],
    ["xinternal.example", 403],
    ["other.example", 200],
    ["evil.example", 403],
  ] as const)
    expect([host, await statusFor(port, { host })]).toEqual([host, status]);
});

test("--allow-host '*' allows every name", async () => {
  const { port } = await startAgent({ args: ["--allow-host", "*"] });
  expect(await statusFor(port, { host: "anything.example" })).toBe(200);
});

// Browsers send a form without a preflight: only its Origin shows where it is from.
test.each([
  ["http://evil.example", "application/json"],
  ["https://localhost", "text/plain"],
  ["http://127.0.0.1:49983", "application/json"],
  ["null", "application/x-www-form-urlencoded"],
])("without --allow-origin a request from Origin %s (%s) is refused", async (origin, type) => {
  const headers = { "content-type": type, origin };
  const response = await rawCall(agent.port, { path: LIST, headers, body: "{}" });
  expect(response.status).toBe(403);
  expect(response.body.toString()).toContain(origin);
  expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
});

const preflight = {
  "access-control-request-method": "POST",
  "access-control-request-headers": "content-type",
};

test("without --allow-origin a preflight is refused and allows nothing", async () => {
  const headers = { origin: "http://evil.example", ...preflight };
  const response = await rawCall(agent.port, { method: "OPTIONS", path: LIST, headers });
  expect(response.status).toBe(403);
  expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("pages of an allowed origin can send what Connect-Web sends and read every answer, also a refusal", async () => {
  const origin = "https://app.example.com";
  const { port } = await startAgent({
    args: ["--allow-origin", `${origin},http://localhost:3000`],
    env: { HOLDFAST_ACCESS_TOKEN: "secret" },
  });
  // A preflight carries no token.
  const asked = await rawCall(port, { method: "OPTIONS", path: LIST, headers: { origin, ...preflight } });
  expect(asked.status).toBe(204);
  expect(asked.headers.get("access-control-allow-origin")).toBe(origin);
  expect(asked.headers.get("vary")).toBe("Origin");
  for (const name of [
    "Content-Type",
    "Connect-Protocol-Version",
    "X-Grpc-Web",
    "X-Access-Token",
    "Authorization",
  ])
    expect(asked.headers.get("access-control-allow-headers")?.split(", ")).toContain(name);

  const refused = await rawCall(port, { path: LIST, headers: { ...JSON_TYPE, origin }, body: "{}" });
  expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, origin]);
  const headers = { ...JSON_TYPE, origin, "x-access-token": "secret" };
  const answered = await rawCall(port, { path: LIST, headers, body: "{}" });
  expect([answered.status, answered.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
  expect(answered.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("grpc-status");
  expect(
    await statusFor(port, { origin: "https://app.example.com.evil.example", "x-access-token": "secret" }),
  ).toBe(403);
});
