// POST /init and GET /envs: an orchestrator of E2B's kind prepares a sandbox for its user.

import { randomUUID } from "node:crypto";
import { Sandbox } from "e2b";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { answerOf } from "../support/clients/command-answer.ts";
import { openConnection, rawCall } from "../support/clients/raw-http.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const TOKEN = "first-token";

interface Answer {
  readonly status: number;
  readonly message: string | undefined;
}

async function init(
  { url }: RunningAgent,
  body: object | string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  const response = await fetch(`${url}/init`, {
    method: "POST",
    headers,
    ...(text === undefined ? {} : { body: text }),
  });
  const answer = await response.text();
  return { status: response.status, message: answer === "" ? undefined : JSON.parse(answer).message };
}

async function envs({ url }: RunningAgent, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const response = await fetch(`${url}/envs`, { headers });
  expect(response.headers.get("content-type")).toBe("application/json");
  return response.json();
}

const DONE = { status: 204, message: undefined };

test("envVars replace the agent-wide set, for the commands that start from then on", async () => {
  const agent = await startAgent();
  expect(await envs(agent)).toEqual({});
  expect(await init(agent, { envVars: { ONE: "1", TWO: "2" } })).toEqual(DONE);
  expect(await envs(agent)).toEqual({ ONE: "1", TWO: "2" });
  expect((await answerOf(agent.url, "sh", ["-c", "echo $ONE $TWO"])).stdout).toBe("1 2\n");
  expect(await init(agent, { envVars: { TWO: "zwei", EMPTY: "" } })).toEqual(DONE);
  expect(await envs(agent)).toEqual({ TWO: "zwei", EMPTY: "" });
  expect((await answerOf(agent.url, "sh", ["-c", "env | grep -E '^(ONE|TWO|EMPTY)=' | sort"])).stdout).toBe(
    "EMPTY=\nTWO=zwei\n",
  );
  // Other fields do not change them, and an empty set removes them.
  expect(await init(agent, { defaultWorkdir: "/usr" })).toEqual(DONE);
  expect(await envs(agent)).toEqual({ TWO: "zwei", EMPTY: "" });
  expect(await init(agent, { envVars: {} })).toEqual(DONE);
  expect(await envs(agent)).toEqual({});
});

test("__proto__ and other names of object properties are ordinary variable names", async () => {
  const agent = await startAgent();
  expect(await init(agent, '{"envVars": {"__proto__": "p", "constructor": "c", "toString": "t"}}')).toEqual(
    DONE,
  );
  const { stdout } = await answerOf(agent.url, "env", []);
  expect(stdout.split("\n")).toEqual(expect.arrayContaining(["__proto__=p", "constructor=c", "toString=t"]));
});

test("the first accessToken closes the agent, and later requests need it to change anything", async () => {
  const agent = await startAgent();
  expect(await init(agent, { accessToken: TOKEN, envVars: { A: "1" } })).toEqual(DONE);
  expect((await fetch(`${agent.url}/envs`)).status).toBe(401);
  expect(await envs(agent, { "X-Access-Token": TOKEN })).toEqual({ A: "1" });

  const missing = { status: 401, message: "accessToken: missing; this agent has one" };
  const wrong = { status: 401, message: "accessToken: not the one of this agent" };
  expect(await init(agent, { envVars: { A: "2" } })).toEqual(missing);
  expect(await init(agent, undefined)).toEqual(missing);
  expect(await init(agent, { envVars: { A: "2" }, accessToken: "first-tokem" })).toEqual(wrong);
  expect(await init(agent, { envVars: { A: "2" } }, { "X-Access-Token": "first-tokem" })).toEqual(wrong);
  // If both are present, the token in the body counts.
  expect(await init(agent, { accessToken: "other" }, { "X-Access-Token": TOKEN })).toEqual(wrong);
  expect(await envs(agent, { "X-Access-Token": TOKEN })).toEqual({ A: "1" });

  expect(await init(agent, { envVars: { A: "3" }, accessToken: TOKEN })).toEqual(DONE);
  expect(await init(agent, { defaultWorkdir: "/" }, { Authorization: `Bearer ${TOKEN}` })).toEqual(DONE);
  expect(await envs(agent, { "X-Access-Token": TOKEN })).toEqual({ A: "3" });
  for (const secret of [TOKEN, "first-tokem"]) expect(agent.stderr()).not.toContain(secret);
});

test("an agent that starts with a token accepts no other", async () => {
  const agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: TOKEN } });
  expect(await init(agent, { accessToken: "mine" })).toMatchObject({ status: 401 });
  expect(await init(agent, { accessToken: TOKEN, envVars: { A: "1" } })).toEqual(DONE);
});

test("of two simultaneous requests with different tokens, one is accepted and the other refused", async () => {
  const agent = await startAgent();
  const answers = await Promise.all(
    ["a", "b", "c", "d"].map(async (token) => ({ token, ...(await init(agent, { accessToken: token })) })),
  );
  const first = answers.filter(({ status }) => status === 204);
  expect(first).toHaveLength(1);
  expect(
    (await fetch(`${agent.url}/envs`, { headers: { "X-Access-Token": first[0]?.token ?? "" } })).status,
  ).toBe(200);
});

test("defaultUser and defaultWorkdir apply to requests without their own; empty ones change nothing", async () => {
  const agent = await startAgent();
  expect(await init(agent, { defaultWorkdir: "/usr/share", defaultUser: "" })).toEqual(DONE);
  expect((await answerOf(agent.url, "pwd", [])).stdout).toBe("/usr/share\n");
  expect(await init(agent, { defaultWorkdir: "" })).toEqual(DONE);
  expect((await answerOf(agent.url, "pwd", [])).stdout).toBe("/usr/share\n");
  expect((await answerOf(agent.url, "pwd", [], { cwd: "/usr" })).stdout).toBe("/usr\n");
  expect(await init(agent, { defaultUser: "nobody-knows" })).toEqual(DONE);
  expect(await answerOf(agent.url, "pwd", [])).toMatchObject({ message: 'no such user: "nobody-knows"' });
  if (process.getuid?.() !== 0) return;
  expect(await init(agent, { defaultUser: "nobody" })).toEqual(DONE);
  expect((await answerOf(agent.url, "id", ["-un"])).stdout).toBe("nobody\n");
  expect((await answerOf(agent.url, "id", ["-un"], { user: "root" })).stdout).toBe("root\n");
});

test("a request that is not newer than the newest changes nothing and is answered with 204", async () => {
  const agent = await startAgent();
  const at = (timestamp: string, value: string) => init(agent, { timestamp, envVars: { A: value } });
  expect(await at("2026-01-02T03:04:05.000000002Z", "second")).toEqual(DONE);
  // Equal, a nanosecond older, and older in another time zone.
  for (const stale of [
    "2026-01-02T03:04:05.000000002Z",
    "2026-01-02T03:04:05.000000001Z",
    "2026-01-02T04:04:04.9+01:00",
  ]) {
    expect(await at(stale, "stale")).toEqual(DONE);
    expect(await envs(agent)).toEqual({ A: "second" });
  }
  expect(await at("2026-01-02T02:04:05.000000003-01:00", "third")).toEqual(DONE);
  expect(await envs(agent)).toEqual({ A: "third" });
  // A request without a timestamp is not compared.
  expect(await init(agent, { envVars: { A: "timeless" } })).toEqual(DONE);
  expect(await envs(agent)).toEqual({ A: "timeless" });
});

test("a request without the token does not make later requests stale", async () => {
  const agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: TOKEN } });
  const far = { timestamp: "2099-01-01T00:00:00Z", envVars: { A: "x" } };
  expect(await init(agent, far)).toMatchObject({ status: 401 });
  expect(
    await init(agent, { timestamp: "2026-01-01T00:00:00Z", accessToken: TOKEN, envVars: { A: "1" } }),
  ).toEqual(DONE);
  expect(await envs(agent, { "X-Access-Token": TOKEN })).toEqual({ A: "1" });
});

test("other fields of envd's orchestrators are ignored, and so is an empty body", async () => {
  const agent = await startAgent();
  const body = {
    hyperloopIP: "10.0.0.1",
    volumeMounts: [{ nfs_target: "a", path: "/b" }],
    caBundle: "x",
    future: {},
  };
  const nothing = {
    envVars: null,
    accessToken: null,
    defaultUser: null,
    defaultWorkdir: null,
    timestamp: null,
  };
  for (const harmless of [body, nothing, {}, "", " \n", undefined])
    expect(await init(agent, harmless)).toEqual(DONE);
});

describe("a malformed field is refused by its name and changes nothing", () => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent();
  });
  afterAll(() => agent.stop());

  test.each<[string, string, string]>([
    ["a body that is not JSON", "{", "the body is not JSON"],
    ["an array", "[]", "the body must be a JSON object"],
    ["a string", '"x"', "the body must be a JSON object"],
    ["envVars as a list", '{"envVars": ["A=1"]}', "envVars: must be an object of strings"],
    ["a variable that is a number", '{"envVars": {"A": 1}}', 'envVars: "A" must be a string'],
    [
      "a name with =",
      '{"envVars": {"A=B": "1"}}',
      'envVars: a name must not be empty or contain "=" or NUL: "A=B"',
    ],
    [
      "an empty name",
      '{"envVars": {"": "1"}}',
      'envVars: a name must not be empty or contain "=" or NUL: ""',
    ],
    ["a value with NUL", '{"envVars": {"A": "x\\u0000y"}}', 'envVars: "A" contains a NUL'],
    [
      "a token with a blank",
      '{"accessToken": "a b"}',
      "accessToken: must be letters, digits and punctuation without spaces",
    ],
    [
      "an empty token",
      '{"accessToken": ""}',
      "accessToken: must be letters, digits and punctuation without spaces",
    ],
    [
      "a token that is a number",
      '{"accessToken": 1}',
      "accessToken: must be letters, digits and punctuation without spaces",
    ],
    ["a user that is a number", '{"defaultUser": 0}', "defaultUser: must be a string"],
    ["a user with NUL", '{"defaultUser": "a\\u0000"}', "defaultUser: contains a NUL"],
    ["a timestamp in words", '{"timestamp": "now"}', 'timestamp: must be as in RFC 3339: "now"'],
    [
      "a day that does not exist",
      '{"timestamp": "2026-13-01T00:00:00Z"}',
      'timestamp: must be as in RFC 3339: "2026-13-01T00:00:00Z"',
    ],
    [
      "the 30th of February",
      '{"timestamp": "2026-02-30T00:00:00Z"}',
      'timestamp: must be as in RFC 3339: "2026-02-30T00:00:00Z"',
    ],
    ["a timestamp that is a number", '{"timestamp": 5}', "timestamp: must be as in RFC 3339: 5"],
  ])("%s", async (_, body, message) => {
    // A valid field precedes it.
    const whole = body.startsWith('{"') ? body.replace("{", '{"defaultWorkdir": "/usr", ') : body;
    expect(await init(agent, whole)).toEqual({ status: 400, message });
    expect(await envs(agent)).toEqual({});
    expect((await answerOf(agent.url, "pwd", [])).stdout).not.toBe("/usr\n");
  });
});

test("a body of more than 1 MiB is refused, with and without a Content-Length", async () => {
  const agent = await startAgent();
  const large = JSON.stringify({ envVars: { A: "x".repeat(2 ** 20) } });
  expect(await init(agent, large)).toMatchObject({
    status: 413,
    message: "the body has more than 1048576 bytes",
  });
  const connection = await openConnection(agent.port);
  onTestFinished(() => connection.cut());
  connection.send("POST /init HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n");
  connection.send(Buffer.alloc(2 ** 20 + 1, " "));
  await connection.until("a refusal", (received) => received.includes("HTTP/1.1 413") || undefined);
  expect(await envs(agent)).toEqual({});
});

test("bodies that never end replace each other and do not keep out another client", async () => {
  const agent = await startAgent();
  const slow = await Promise.all(Array.from({ length: 40 }, () => openConnection(agent.port)));
  onTestFinished(() => {
    for (const connection of slow) connection.cut();
  });
  for (const connection of slow) {
    connection.send("POST /init HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    connection.send(Buffer.alloc(900_000, " "));
  }
  // All but the last one.
  const replaced = () => slow.filter((connection) => connection.received().includes("503")).length;
  await vi.waitFor(() => expect(replaced()).toBe(39), 10_000);
  expect(await init(agent, { envVars: { A: "1" } })).toEqual(DONE);
});

test("an unknown path is 404 and an unknown method 405, with an error in JSON; HEAD is GET without its body", async () => {
  const agent = await startAgent();
  const call = async (method: string, path: string) => {
    const response = await fetch(`${agent.url}${path}`, { method });
    const body = await response.text();
    const error = body === "" ? undefined : (JSON.parse(body) as { message: string }).message;
    return [response.status, response.headers.get("allow"), error];
  };
  expect(await call("GET", "/init")).toEqual([405, "POST", "/init does not allow GET; allowed: POST"]);
  expect(await call("PUT", "/envs")).toEqual([
    405,
    "GET, HEAD",
    expect.stringContaining("does not allow PUT"),
  ]);
  expect(await call("HEAD", "/envs")).toEqual([200, null, undefined]);
  expect(await call("DELETE", "/metrics")).toEqual([405, "GET, HEAD", expect.any(String)]);
  expect(await call("GET", "/init/")).toEqual([404, null, 'nothing is served at "/init/"']);
  expect(await call("POST", "/constructor")).toEqual([404, null, expect.any(String)]);
  expect(await call("POST", "/health")).toEqual([405, "GET, HEAD", expect.any(String)]);
});

test("a page of another site cannot initialize the agent", async () => {
  const agent = await startAgent();
  expect(
    (await rawCall(agent.port, { path: "/init", headers: { origin: "https://evil.example" }, body: "{}" }))
      .status,
  ).toBe(403);
  expect(
    (await rawCall(agent.port, { path: "/init", headers: { host: "evil.example" }, body: "{}" })).status,
  ).toBe(403);
});

test("an orchestrator initializes the agent, and E2B's SDK works with the token it set", async () => {
  const agent = await startAgent();
  const token = randomUUID();
  expect(
    await init(agent, {
      accessToken: token,
      // The SDK runs login shells; start-up files of the user must not run in a test.
      envVars: { FROM: "orchestrator", HOME: createTempFolder() },
      defaultWorkdir: "/usr",
      timestamp: new Date().toISOString(),
    }),
  ).toEqual(DONE);
  const sandbox = new Sandbox({
    sandboxId: "local",
    envdVersion: "0.4.0",
    envdAccessToken: token,
    sandboxUrl: agent.url,
    apiKey: "e2b_0",
    debug: true,
  } as ConstructorParameters<typeof Sandbox>[0]);
  expect(
    (await sandbox.commands.run("echo $FROM; pwd", { user: process.getuid?.() === 0 ? "root" : "" })).stdout,
  ).toBe("orchestrator\n/usr\n");
});

test("a body that does not arrive is answered with 408, and the connection is closed", async () => {
  const agent = await startAgent({ args: ["--request-timeout", "200ms"] });
  const connection = await openConnection(agent.port);
  onTestFinished(() => connection.cut());
  connection.send("POST /init HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
  await connection.closed();
  expect(connection.received().toString()).toMatch(/^HTTP\/1\.1 408 .*did not arrive within 200 ms/s);
});
