// An agent with an access token: a request without it is refused in the format of its protocol, before
// anything of its body is read.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { openConnection, rawCall } from "../support/clients/raw-http.ts";
import {
  callOverEvery,
  callRpc,
  encodeBody,
  overEvery,
  type Protocol,
  protocols,
} from "../support/clients/rpc-call.ts";
import { childrenOf } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const TOKEN = "correct-horse-battery-staple";
const WRONG = "correct-horse-battery-stapld";

function startGuarded(args: readonly string[] = []) {
  return startAgent({ env: { HOLDFAST_ACCESS_TOKEN: TOKEN }, args: ["--log-level", "debug", ...args] });
}

const START = [{ process: { cmd: "sleep", args: ["1000"] } }];
const none = { code: "unauthenticated", message: expect.stringContaining("no access token") };
const wrong = { code: "unauthenticated", message: expect.stringContaining("wrong access token") };

describe("without the token every call is refused and nothing starts", () => {
  const offers: readonly (readonly [string, Record<string, string>, object])[] = [
    ["no token", {}, none],
    ["a wrong one of equal length", { "x-access-token": WRONG }, wrong],
    ["a shorter one", { "x-access-token": TOKEN.slice(0, -1) }, wrong],
    ["an empty one", { "x-access-token": "" }, wrong],
    ["the token twice", { "x-access-token": `${TOKEN}, ${TOKEN}` }, wrong],
    ["a wrong bearer token", { authorization: `Bearer ${WRONG}` }, wrong],
    ["the token as Basic's password", { authorization: `Basic ${btoa(`root:${TOKEN}`)}` }, none],
    [
      "a wrong token beside the right bearer",
      { "x-access-token": WRONG, authorization: `Bearer ${TOKEN}` },
      wrong,
    ],
    ["the token as a cookie", { cookie: `X-Access-Token=${TOKEN}` }, none],
  ];
  test.each(offers)("%s", async (_, headers, refusal) => {
    const agent = await startGuarded();
    for (const [rpc, messages] of [
      ["Start", START],
      ["List", [{}]],
    ] as const) {
      const call = (protocol: Protocol) => ({ rpc, headers, body: encodeBody(protocol, rpc, messages) });
      expect(await callOverEvery(agent.port, call)).toEqual(overEvery(refusal));
    }
    expect(childrenOf(agent.pid)).toEqual([]);
    await agent.stop();
    expect(agent.stderr()).toContain("request refused");
    for (const secret of [TOKEN, WRONG]) expect(agent.stderr() + agent.stdout()).not.toContain(secret);
  });
});

test("a token in the URL does not count, and is not logged", async () => {
  const agent = await startGuarded();
  for (const query of [`access_token=${TOKEN}`, `X-Access-Token=${TOKEN}`, `token=${TOKEN}`]) {
    const headers = { "content-type": "application/json" };
    const response = await rawCall(agent.port, {
      path: `/process.Process/List?${query}`,
      headers,
      body: "{}",
    });
    expect({ status: response.status, body: JSON.parse(response.body.toString()) }).toEqual({
      status: 401,
      body: none,
    });
  }
  const path = `http://user:${TOKEN}@localhost:${agent.port}/process.Process/List`;
  expect(await rawCall(agent.port, { method: "GET", path })).toMatchObject({ status: 401 });
  await agent.stop();
  expect(agent.stderr()).not.toContain(TOKEN);
});

test.each([
  ["X-Access-Token", { "x-access-token": TOKEN }],
  ["Authorization: Bearer", { authorization: `Bearer ${TOKEN}` }],
  ["Authorization: bearer", { authorization: `bearer  ${TOKEN}` }],
  ["X-Access-Token beside the user", { "x-access-token": TOKEN, authorization: `Basic ${btoa("root:")}` }],
])("with the token as %s a command runs, over every protocol", async (_, headers) => {
  const agent = await startGuarded();
  const messages = [{ process: { cmd: "id", args: ["-un"] } }];
  const call = (protocol: Protocol) => ({
    rpc: "Start",
    headers,
    body: encodeBody(protocol, "Start", messages),
  });
  expect(await callOverEvery(agent.port, call)).toEqual(overEvery({ code: "ok", message: "" }));
});

test("a request with the token and an unknown user is refused because of the user", async () => {
  const agent = await startGuarded();
  const headers = { "x-access-token": TOKEN, authorization: `Basic ${btoa("no-such-user:")}` };
  const call = (protocol: Protocol) => ({
    rpc: "Start",
    headers,
    body: encodeBody(protocol, "Start", START),
  });
  const refusal = { code: "unauthenticated", message: 'no such user: "no-such-user"' };
  expect(await callOverEvery(agent.port, call)).toEqual(overEvery(refusal));
});

test.each(protocols.filter((protocol) => protocol !== "gRPC"))(
  "%s: the refusal does not wait for a body that never comes",
  async (protocol) => {
    const agent = await startGuarded();
    const connection = await openConnection(agent.port);
    const type = {
      "Connect JSON": "connect+json",
      "Connect binary": "connect+proto",
      "gRPC-web": "grpc-web",
    };
    connection.send(
      "POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\n" +
        `Content-Type: application/${type[protocol]}\r\nContent-Length: 1000000\r\n\r\n`,
    );
    await connection.until("the refusal", (received) => received.includes("no access token") || undefined);
    await connection.closed();
  },
);

test("plain HTTP requests without the token are answered with 401, except the health check", async () => {
  const agent = await startGuarded();
  const status = async (method: string, path: string, headers = {}) =>
    (await rawCall(agent.port, { method, path, headers })).status;
  expect(await status("GET", "/health")).toBe(204);
  for (const path of ["/", "/healthy", "/health/x", "//health", "/metrics", "/process.Process/List"])
    expect([path, await status("GET", path)]).toEqual([path, 401]);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
    expect([method, await status(method, "/health")]).toEqual([method, 401]);
  expect(await status("GET", "/", { "x-access-token": TOKEN })).toBe(404);
  const { headers } = await rawCall(agent.port, { method: "GET", path: "/" });
  expect(headers.get("www-authenticate")).toBe("Bearer");
});

test("--access-token-file sets the token, and takes precedence over the variable", async () => {
  const file = join(createTempFolder(), "token");
  writeFileSync(file, "from-the-file\n");
  const agent = await startGuarded(["--access-token-file", file]);
  const list = (token: string) =>
    callRpc(agent.port, "Connect JSON", { rpc: "List", body: "{}", headers: { "x-access-token": token } });
  expect(await list("from-the-file")).toMatchObject({ code: "ok" });
  expect(await list(TOKEN)).toMatchObject(wrong);
});

test("a command does not see the token", async () => {
  const agent = await startGuarded();
  const headers = { "x-access-token": TOKEN };
  const body = encodeBody("Connect JSON", "Start", [{ process: { cmd: "env" } }]);
  const { code, messages } = await callRpc(agent.port, "Connect JSON", { rpc: "Start", body, headers });
  expect(code).toBe("ok");
  const printed = messages.map((message) => {
    const { event } = JSON.parse(String(message)) as { event: { data?: { stdout?: string } } };
    return Buffer.from(event.data?.stdout ?? "", "base64").toString();
  });
  expect(printed.join("")).toContain("HOME=");
  expect(printed.join("")).not.toMatch(/HOLDFAST_|correct-horse/);
});
