// What each scope allows: every RPC and every endpoint, with every kind of token, over every protocol. Most requests are
// made by hand, because a client that is told not to send something proves nothing.

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Filesystem } from "../../src/gen/filesystem_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { Process } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { createTokenFile, type TokenEntry, tokenFileText, tokenOf } from "../support/agent/token-file.ts";
import { rawCall } from "../support/clients/raw-http.ts";
import { callRpc, protocols } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { childrenOf, eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const entries: readonly TokenEntry[] = [
  { id: "admin", scopes: ["admin"] },
  { id: "observer", scopes: ["observe"] },
  { id: "attacher", scopes: ["attach"] },
  { id: "runner", scopes: ["run"], users: ["nobody"] },
  { id: "limited-attacher", scopes: ["attach"], processes: ["mine"] },
  { id: "limited-admin", scopes: ["admin"], processes: ["mine"] },
  { id: "limited-observer", scopes: ["observe"], processes: ["mine"] },
  { id: "expired", scopes: ["admin"], expires: "2020-01-01T00:00:00Z" },
];
const ids = entries.map(({ id }) => id);

let agent: RunningAgent;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  agent = await startAgent({ args: ["--token-file", createTokenFile(entries, folder).path] });
  for (const tag of ["mine", "other"])
    await startAndLeave(
      agent.port,
      { process: { cmd: "cat", args: [] }, tag, stdin: true },
      { "x-access-token": tokenOf("admin") },
    );
  return async () => {
    await agent.stop();
    rmSync(folder, { recursive: true });
  };
});

function clientOf(id: string, url = agent.url) {
  return createClient(
    Process,
    createConnectTransport({
      baseUrl: url,
      httpVersion: "1.1",
      interceptors: [
        (next) => (request) => {
          request.header.set("X-Access-Token", tokenOf(id));
          return next(request);
        },
      ],
    }),
  );
}

const byTag = (value: string) => ({ selector: { case: "tag" as const, value } });

const observing = [
  ...["admin", "observer", "limited-admin", "limited-observer"],
  ...["attacher", "limited-attacher"],
];
const attaching = ["admin", "limited-admin", "attacher", "limited-attacher"];

/** The tokens that each RPC of the process service and each other service allows. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "/process.Process/List": observing,
  "/process.Process/Connect": observing,
  "/process.Process/Start": ["admin", "runner"],
  "/process.Process/Update": attaching,
  "/process.Process/StreamInput": attaching,
  "/process.Process/SendInput": attaching,
  "/process.Process/SendSignal": attaching,
  "/process.Process/CloseStdin": attaching,
  "/grpc.health.v1.Health/Check": observing,
  "/grpc.health.v1.Health/List": observing,
  "/grpc.health.v1.Health/Watch": observing,
  ...Object.fromEntries(Filesystem.methods.map(({ name }) => [`/filesystem.Filesystem/${name}`, ["admin"]])),
};
const paths = [Process, Filesystem, Health].flatMap(({ typeName, methods }) =>
  methods.map(({ name }) => `/${typeName}/${name}`),
);

test("the table of this test names every RPC", () => {
  expect(Object.keys(allowed).sort()).toEqual([...paths].sort());
});

describe.each(protocols)("over %s", (protocol) => {
  // An allowed Watch of the health has no end.
  const called = paths.filter((path) => !path.endsWith("/Watch"));
  test.each(called)("%s is refused to every token whose scope does not cover it", async (path) => {
    const rpc = path.slice(path.lastIndexOf("/") + 1);
    for (const id of [...ids, "unknown", undefined]) {
      const answer = await callRpc(agent.port, protocol, {
        rpc,
        path,
        // Malformed for all of them: an allowed call is refused later, with another code, and does nothing.
        body: Buffer.from([0xff, 0xff]),
        headers: id === undefined ? {} : { "x-access-token": tokenOf(id) },
      });
      const isKnown = id !== undefined && ids.includes(id) && id !== "expired";
      const isAllowed = id !== undefined && allowed[path]?.includes(id) === true;
      const refusal = isKnown ? "permission_denied" : "unauthenticated";
      const refused = ["permission_denied", "unauthenticated"].find((code) => code === answer.code);
      expect({ id, code: refused }).toEqual({ id, code: isAllowed ? undefined : refusal });
    }
  });
});

test("an RPC that no table names, and one that does not exist, need admin", async () => {
  for (const path of ["/process.Process/Steal", "/other.Service/Call"]) {
    const codeOf = async (id: string) =>
      (await rawCall(agent.port, { path, headers: { "x-access-token": tokenOf(id) }, body: "{}" })).status;
    expect([await codeOf("observer"), await codeOf("limited-admin")]).toEqual([403, 403]);
    expect(await codeOf("admin")).not.toBe(403);
  }
});

test.each([
  ["GET", "/health", { none: 204, observer: 204, admin: 204 }],
  [
    "GET",
    "/metrics",
    { none: 401, observer: 200, "limited-observer": 403, "limited-admin": 403, admin: 200 },
  ],
  ["GET", "/metrics/prometheus", { none: 401, observer: 200, "limited-observer": 403, admin: 200 }],
  ["GET", "/envs", { none: 401, observer: 403, "limited-admin": 403, admin: 200 }],
  [
    "POST",
    "/init",
    { none: 401, unknown: 401, expired: 401, observer: 403, "limited-admin": 403, admin: 204 },
  ],
  ["GET", "/files?path=/etc/hostname", { none: 401, observer: 403, "limited-admin": 403, admin: 200 }],
  ["POST", "/files?path=/dev/null", { none: 401, observer: 403, "limited-admin": 403 }],
  ["POST", "/files/compose", { none: 401, observer: 403, "limited-admin": 403 }],
  ["POST", "/upgrade", { none: 401, observer: 403, "limited-admin": 403 }],
  ["GET", "/nothing", { none: 401, observer: 403, admin: 404 }],
  ["POST", "/metrics", { observer: 403, admin: 405 }],
] as const)("%s %s answers each token as its scope says: %o", async (method, path, expected) => {
  for (const [id, status] of Object.entries(expected)) {
    const headers = id === "none" ? {} : { "X-Access-Token": tokenOf(id) };
    const response = await fetch(agent.url + path, { method, headers });
    await response.arrayBuffer();
    expect({ id, status: response.status }).toEqual({ id, status });
  }
});

test("a refusal names the scope of the token and the scope that is needed", async () => {
  await expect(clientOf("observer").sendSignal({ process: byTag("mine"), signal: 9 })).rejects.toThrow(
    "[permission_denied] the access token has the scope observe; this request needs attach",
  );
  await expect(
    clientOf("limited-admin")
      .start({ process: { cmd: "true" } })
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toThrow("limited to some processes");
  expect(childrenOf(agent.pid).length).toBe(2);
});

test("a token with attach types, resizes and interrupts, and sends no other signal", async () => {
  const leave = new AbortController();
  onTestFinished(() => leave.abort());
  const script = "trap 'echo interrupted' INT; while :; do read x; echo got-$x; done";
  await startAndLeave(
    agent.port,
    {
      process: { cmd: "sh", args: ["-c", script] },
      ...{ tag: "shell", stdin: true, pty: { size: { cols: 80, rows: 24 } } },
    },
    { "x-access-token": tokenOf("admin") },
  );
  const attached = clientOf("attacher");
  const process = byTag("shell");
  const events = attached.connect({ process }, { signal: leave.signal })[Symbol.asyncIterator]();
  let text = "";
  const shown = async (wanted: string) => {
    while (!text.includes(wanted)) {
      const event = (await events.next()).value?.event?.event;
      if (event?.case === "data" && event.value.output.case === "pty")
        text += Buffer.from(event.value.output.value).toString();
    }
  };
  await attached.update({ process, pty: { size: { cols: 99, rows: 30 } } });
  await attached.sendInput({ process, input: { input: { case: "pty", value: Buffer.from("it\n") } } });
  await shown("got-it");
  for (const signal of [9, 15] as const)
    await expect(attached.sendSignal({ process, signal })).rejects.toThrow(
      `[permission_denied] the scope attach allows the signals SIGINT and SIGWINCH; signal ${signal} needs admin`,
    );
  await attached.sendInput({ process, input: { input: { case: "pty", value: Buffer.from("\x03") } } });
  await shown("interrupted");
  const { processes } = await attached.list({ sinceRevision: 0n });
  expect(processes.find(({ tag }) => tag === "shell")).toMatchObject({ cols: 99, rows: 30 });
  await expect(
    attached
      .start({ process: { cmd: "true" } })
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toThrow("this request needs run");
  await clientOf("admin").sendSignal({ process, signal: 9 });
});

test("a token with run starts as its users only, and sees nothing else", async () => {
  const starter = clientOf("runner");
  const run = (user: string | undefined) =>
    starter.start(
      { process: { cmd: "id", args: ["-un"] } },
      user === undefined ? {} : { headers: { Authorization: `Basic ${btoa(`${user}:`)}` } },
    );
  let text = "";
  for await (const { event } of run("nobody"))
    if (event?.event.case === "data" && event.event.value.output.case === "stdout")
      text += Buffer.from(event.event.value.output.value).toString();
  expect(text).toBe("nobody\n");
  await expect(run("root")[Symbol.asyncIterator]().next()).rejects.toThrow(
    '[permission_denied] the access token does not run processes as "root", only as nobody',
  );
  await expect(run(undefined)[Symbol.asyncIterator]().next()).rejects.toThrow(
    "[permission_denied] the access token runs processes as nobody; name one of them",
  );
  await expect(starter.list({})).rejects.toThrow("this request needs observe");
});

test("a token with run gets no other user by a uid, and no other group", async () => {
  const starter = clientOf("runner");
  const run = (asked: { uid?: number; group?: string }, user: string) =>
    starter
      .start(
        { process: { cmd: "id" }, ...asked },
        { headers: { Authorization: `Basic ${btoa(`${user}:`)}` } },
      )
      [Symbol.asyncIterator]()
      .next();
  await expect(run({ uid: 0 }, "nobody")).rejects.toThrow(
    "[permission_denied] the access token does not run processes by uid (0); name one of nobody",
  );
  await expect(run({ uid: 0 }, "")).rejects.toThrow("[permission_denied] the access token does not run");
  await expect(run({ group: "root" }, "nobody")).rejects.toThrow(
    '[permission_denied] the access token does not run processes in the group "root"',
  );
  await expect(run({ group: "root" }, "root")).rejects.toThrow(
    "[permission_denied] the access token does not",
  );
});

test("a limited token lists, finds and changes its processes, and no others exist for it", async () => {
  const limited = clientOf("limited-admin");
  const everything = await clientOf("admin").list({ includeEnded: true });
  const other = everything.processes.find(({ tag }) => tag === "other");
  for (const request of [{}, { includeEnded: true }, { sinceRevision: 0n }, { pageSize: 1 }])
    expect((await limited.list(request)).processes.map(({ tag }) => tag)).toEqual(["mine"]);
  expect((await limited.list({ process: byTag("other") })).processes).toEqual([]);
  for (const selector of [
    { case: "tag", value: "other" },
    { case: "pid", value: other?.pid ?? 0 },
    { case: "processId", value: other?.processId ?? "" },
  ] as const) {
    const process = { selector };
    const unknown = /\[not_found\] no process with/;
    await expect(limited.sendSignal({ process, signal: 9 })).rejects.toThrow(unknown);
    await expect(limited.update({ process, pty: { size: { cols: 1, rows: 1 } } })).rejects.toThrow(unknown);
    await expect(limited.closeStdin({ process })).rejects.toThrow(unknown);
    await expect(
      limited.sendInput({ process, input: { input: { case: "stdin", value: Buffer.from("x") } } }),
    ).rejects.toThrow(unknown);
    await expect(
      limited.sendInput({
        process,
        offset: 0n,
        input: { input: { case: "stdin", value: Buffer.from("x") } },
      }),
    ).rejects.toThrow(unknown);
    await expect(
      limited.streamInput(
        (async function* () {
          yield { event: { case: "start" as const, value: { process } } };
        })(),
      ),
    ).rejects.toThrow(unknown);
    await expect(limited.connect({ process })[Symbol.asyncIterator]().next()).rejects.toThrow(unknown);
  }
  await limited.sendInput({
    process: byTag("mine"),
    input: { input: { case: "stdin", value: Buffer.from("x") } },
  });
});

test("an observer's token sees commands and arguments, but no variables", async () => {
  await startAndLeave(
    agent.port,
    { process: { cmd: "sleep", args: ["1000"], envs: { PASSWORD: "hidden" } }, tag: "secret", stdin: false },
    { "x-access-token": tokenOf("admin") },
  );
  for (const request of [{}, { includeEnded: true }, { sinceRevision: 0n }]) {
    const envsFor = async (id: string) =>
      (await clientOf(id).list(request)).processes.find(({ tag }) => tag === "secret")?.config;
    expect(await envsFor("admin")).toMatchObject({ args: ["1000"], envs: { PASSWORD: "hidden" } });
    expect(await envsFor("observer")).toMatchObject({ args: ["1000"], envs: {} });
  }
  await clientOf("admin").sendSignal({ process: byTag("secret"), signal: 9 });
});

test("changes of other processes change neither revision nor description for a limited token", async () => {
  const limited = clientOf("limited-observer");
  const before = await limited.list({ sinceRevision: 0n, agent: true });
  expect(before.agent).toMatchObject({ budgetBytes: 0n, heldBytes: 0n, residentBytes: 0n, connections: 0 });
  const admin = clientOf("admin");
  const { revision } = await admin.list({ sinceRevision: 0n });
  await admin.sendInput({
    process: byTag("other"),
    input: { input: { case: "stdin", value: Buffer.from("x") } },
  });
  await startAndLeave(
    agent.port,
    { process: { cmd: "true", args: [] }, tag: "short", stdin: false },
    { "x-access-token": tokenOf("admin") },
  );
  await eventually(
    "an admin sees the change",
    async () => (await admin.list({ sinceRevision: revision, includeEnded: true })).processes.length > 0,
    () => "",
  );
  expect(await limited.list({ sinceRevision: before.revision })).toMatchObject({
    revision: before.revision,
    processes: [],
    removed: [],
  });
});

test("a stream of an observer's token has no influence, although it does not ask for that", async () => {
  const leave = new AbortController();
  onTestFinished(() => leave.abort());
  const admin = clientOf("admin");
  await startAndLeave(
    agent.port,
    { process: { cmd: "yes", args: [] }, tag: "yes", stdin: false, output: { detached: "DETACHED_BLOCK" } },
    { "x-access-token": tokenOf("admin") },
  );
  const find = async () =>
    (await admin.list({ includeEnded: true })).processes.find(({ tag }) => tag === "yes");
  await eventually(
    "yes waits",
    async () => (await find())?.reading === false,
    () => "",
  );
  const { offset: held } = (await find()) ?? {};
  const stream = clientOf("observer").connect(
    { process: byTag("yes"), offsets: true },
    { signal: leave.signal },
  );
  const events = stream[Symbol.asyncIterator]();
  await events.next();
  await events.next();
  expect(await find()).toMatchObject({ reading: false, offset: held, subscribers: 1 });
  await admin.sendSignal({ process: byTag("yes"), signal: 9 });
});

test("the access token and the token file admit side by side, and /init sets a token with an admin token", async () => {
  const { path } = createTokenFile(entries);
  const both = await startAgent({
    args: ["--token-file", path],
    env: { HOLDFAST_ACCESS_TOKEN: "the-access-token-0123" },
  });
  const list = async (token: string) =>
    (
      await fetch(`${both.url}/process.Process/List`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Access-Token": token },
        body: "{}",
      })
    ).status;
  expect([await list("the-access-token-0123"), await list(tokenOf("observer")), await list("x")]).toEqual([
    200, 200, 401,
  ]);
  const alone = await startAgent({ args: ["--token-file", path] });
  const init = (headers: Record<string, string>) =>
    fetch(`${alone.url}/init`, {
      method: "POST",
      headers,
      body: JSON.stringify({ accessToken: "the-next-token-0123" }),
    });
  expect((await init({})).status).toBe(401);
  expect((await init({ "X-Access-Token": tokenOf("observer") })).status).toBe(403);
  expect((await init({ "X-Access-Token": tokenOf("admin") })).status).toBe(204);
  expect(
    (await fetch(`${alone.url}/envs`, { headers: { "X-Access-Token": "the-next-token-0123" } })).status,
  ).toBe(200);
});

describe("the file is read again when it changes", () => {
  async function agentWith(tokens: readonly TokenEntry[]) {
    const file = createTokenFile(tokens);
    const own = await startAgent({ args: ["--token-file", file.path] });
    const status = async (id: string) =>
      (
        await fetch(`${own.url}/process.Process/List`, {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-Access-Token": tokenOf(id) },
          body: "{}",
        })
      ).status;
    return { own, file, status };
  }
  const a: TokenEntry = { id: "a", scopes: ["admin"] };
  const b: TokenEntry = { id: "b", scopes: ["observe"] };

  test("a new token is valid, a removed one is refused, and its streams end with unauthenticated within a second", async () => {
    const { own, file, status } = await agentWith([a, b]);
    await startAndLeave(
      own.port,
      { process: { cmd: "cat", args: [] }, tag: "cat", stdin: true },
      { "x-access-token": tokenOf("a") },
    );
    const watching = async (id: string) => {
      const stream = clientOf(id, own.url)
        .connect({ process: byTag("cat") })
        [Symbol.asyncIterator]();
      await stream.next();
      return stream;
    };
    const [kept, lost] = [await watching("a"), await watching("b")];
    const end = lost.next().then(
      () => "an event",
      (error: unknown) => String(error),
    );
    const begin = performance.now();
    file.replace(tokenFileText([a, { id: "c", scopes: ["admin"] }]));
    expect(await end).toBe("ConnectError: [unauthenticated] the access token was revoked");
    expect(performance.now() - begin).toBeLessThan(1000);
    expect([await status("a"), await status("b"), await status("c")]).toEqual([200, 401, 200]);
    await clientOf("a", own.url).sendInput({
      process: byTag("cat"),
      input: { input: { case: "stdin", value: Buffer.from("still there") } },
    });
    const { value } = await kept.next();
    expect(value?.event?.event.case).toBe("data");
    expect(own.stderr()).toContain("token file read");
  });

  test("a link whose target is replaced is followed, as Kubernetes does it", async () => {
    const folder = createTempFolder();
    const publish = (name: string, tokens: readonly TokenEntry[]) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "tokens.json"), tokenFileText(tokens));
      symlinkSync(name, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    publish("..1", [a]);
    const path = join(folder, "tokens.json");
    symlinkSync("..data/tokens.json", path);
    const own = await startAgent({ args: ["--token-file", path] });
    const stream = clientOf("a", own.url);
    expect(await stream.list({})).toMatchObject({ processes: [] });
    publish("..2", [b]);
    await own.waitFor("stderr", /token file read/);
    await expect(stream.list({})).rejects.toThrow("wrong access token");
    expect(await clientOf("b", own.url).list({})).toMatchObject({ processes: [] });
  });

  test("a file that is not valid changes nothing and is logged, and one that is gone admits no client", async () => {
    const { own, file, status } = await agentWith([a]);
    file.replace(JSON.stringify({ tokens: [{ id: "a", hash: "sha256:12", scopes: ["admin"] }] }));
    await own.waitFor("stderr", /token file is not valid/);
    expect(own.stderr()).toContain("tokens[0].hash must be");
    expect(await status("a")).toBe(200);
    rmSync(file.path);
    await own.waitFor("stderr", /token file is gone/);
    expect(await status("a")).toBe(401);
    file.replace(tokenFileText([a]));
    await eventually(
      "a is back",
      async () => (await status("a")) === 200,
      () => own.stderr(),
    );
  });

  test("a stream ends with unauthenticated when its token expires", async () => {
    const { own, file, status } = await agentWith([a]);
    await startAndLeave(
      own.port,
      { process: { cmd: "cat", args: [] }, tag: "cat", stdin: true },
      { "x-access-token": tokenOf("a") },
    );
    // Now, because a busy machine may need long to get here.
    const expires = new Date(Date.now() + 6_000).toISOString();
    file.replace(tokenFileText([a, { id: "soon", scopes: ["observe"], expires }]));
    await own.waitFor("stderr", /token file read/);
    const stream = clientOf("soon", own.url)
      .connect({ process: byTag("cat") })
      [Symbol.asyncIterator]();
    await stream.next();
    await expect(stream.next()).rejects.toThrow("[unauthenticated] the access token has expired");
    expect(await status("soon")).toBe(401);
  });
});

test.each([
  ["{", "it is not JSON"],
  ["[]", "the file must be an object"],
  ['{"tokens": {}}', "tokens must be a list"],
  ['{"tokens": [], "mode": 1}', 'the file has the unknown field "mode"; known: tokens'],
  [withToken({ scopes: ["observe", "adm1n"] }), 'tokens[0].scopes has the unknown scope "adm1n"'],
  [withToken({ scopes: ["run"] }), "tokens[0].users is missing"],
  [withToken({ scopes: ["observe"], users: ["x"] }), "tokens[0].users is for the scope run"],
  [withToken({ scopes: ["run", "admin"] }), "tokens[0].scopes has run beside admin"],
  [withToken({ scopes: ["run"], users: [] }), "tokens[0].users must be a list of 1 to 100 users"],
  [
    withToken({ scopes: ["run"], users: ["x"], processes: ["y"] }),
    "tokens[0] has processes and the scope run",
  ],
  [withToken({ scopes: [] }), "tokens[0].scopes must be a list of scopes"],
  [withToken({ scope: "admin" }), 'tokens[0] has the unknown field "scope"'],
  [withToken({ hash: "secret" }), "tokens[0].hash must be"],
  [withToken({ processes: [] }), "tokens[0].processes must be a list of 1 to 100"],
  [withToken({ expires: "tomorrow" }), "tokens[0].expires must be a time such as"],
  [withToken({ id: "" }), "tokens[0].id has 0 characters, must have 1 to 100"],
])("an agent does not start with the token file %s", async (text, reason) => {
  const file = createTokenFile([]);
  file.replace(text);
  await expect(startAgent({ args: ["--token-file", file.path] })).rejects.toThrow(reason);
});

function withToken(fields: object): string {
  const entry = { id: "a", hash: `sha256:${"0".repeat(64)}`, scopes: ["admin"] };
  return JSON.stringify({ tokens: [{ ...entry, ...fields }] });
}
