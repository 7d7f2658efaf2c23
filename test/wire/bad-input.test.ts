// Well-formed requests that cannot be fulfilled, over every protocol. Each receives the code of DESIGN.md and a message that
// names the value, and the next command runs.

import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonValue } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { expectCommandRuns, survivingAgent } from "../support/agent/surviving-agent.ts";
import { callOverEvery, callRpc, encodeBody, overEvery, type RpcName } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

interface Case {
  /** The test's name continues with "is" and the code. */
  readonly name: string;
  readonly rpc: RpcName;
  /** One message, or for StreamInput any number. */
  readonly messages: readonly JsonValue[] | (() => readonly JsonValue[]);
  readonly code: string;
  readonly says?: RegExp;
}

const agent = survivingAgent();
const folder = mkdtempSync(join(tmpdir(), "holdfast-bad-input-"));

/** The running processes, by tag. */
const PIPES = { tag: "on pipes" };
const PTY = { tag: "on a pty" };
const NO_STDIN = { tag: "without stdin" };
const CLOSED_STDIN = { tag: "with a closed stdin" };

beforeAll(async () => {
  await startAndLeave(agent.port, { process: { cmd: "cat" }, ...PIPES });
  await startAndLeave(agent.port, { process: { cmd: "cat" }, ...PTY, pty: { size: { cols: 80, rows: 24 } } });
  await startAndLeave(agent.port, {
    process: { cmd: "sleep", args: ["infinity"] },
    ...NO_STDIN,
    stdin: false,
  });
  await startAndLeave(agent.port, { process: { cmd: "sleep", args: ["infinity"] }, ...CLOSED_STDIN });
  const closed = await ask("CloseStdin", [{ process: CLOSED_STDIN }]);
  expect(closed.code).toBe("ok");

  writeFileSync(join(folder, "garbage"), "this is\0no program");
  writeFileSync(join(folder, "no-interpreter"), "#!/holdfast/no/such/interpreter\n");
  for (const name of ["garbage", "no-interpreter"]) chmodSync(join(folder, name), 0o755);
  symlinkSync("loop", join(folder, "loop"));
  copyFileSync("/bin/true", join(folder, "busy"));
  busyFd = openSync(join(folder, "busy"), "r+");
});
afterAll(() => {
  closeSync(busyFd);
  rmSync(folder, { recursive: true });
});

/** Holds a program open for writing. */
let busyFd = -1;

function ask(rpc: string, messages: readonly JsonValue[]) {
  return callRpc(agent.port, "Connect JSON", { rpc, body: encodeBody("Connect JSON", rpc, messages) });
}

const starts: Case[] = [
  start("an empty cmd", { cmd: "" }, /cmd is empty/),
  start("an unknown command", { cmd: "holdfast-no-such" }, /"holdfast-no-such" not found in PATH/),
  start("a command of spaces", { cmd: "  " }, /" {2}" not found/),
  start("a path to nothing", { cmd: "/holdfast/no/such" }, /"\/holdfast\/no\/such" does not exist/),
  start("a relative path to nothing", { cmd: "./no-such", cwd: "/tmp" }, /"\.\/no-such" does not exist/),
  start("a command below a file", { cmd: "/etc/passwd/sh" }, /"\/etc\/passwd\/sh" does not exist/),
  start("a file that is not executable", { cmd: "/etc/passwd" }, /"\/etc\/passwd" is not executable/),
  start("a device for a command", { cmd: "/dev/null" }, /"\/dev\/null" is not executable/),
  start("a directory for a command", { cmd: "/etc" }, /"\/etc" is a directory/),
  start("the dot for a command", { cmd: "." }, /"\." is a directory/),
  start("an executable of garbage", { cmd: `${folder}/garbage` }, /garbage: .*ENOEXEC/),
  start(
    "a script of no interpreter",
    { cmd: `${folder}/no-interpreter` },
    /no-interpreter: .* does not exist/,
  ),
  start("a link to itself for a command", { cmd: `${folder}/loop` }, /loop" cannot be executed: ELOOP/),
  {
    name: "a program that is open for writing",
    rpc: "Start",
    messages: [{ process: { cmd: `${folder}/busy` } }],
    code: "unavailable",
    says: /^cannot execute \/.*\/busy: .*\(ETXTBSY\); try again/,
  },
  start("a command of 5,000 characters", { cmd: "x".repeat(5000) }, /xxx" .*ENAMETOOLONG/),
  // Over gRPC the message is a header, and HTTP/2 libraries accept headers of a few kilobytes.
  start("a command of 100,000 characters", { cmd: "x".repeat(100_000) }, /xxx.* .*ENAMETOOLONG/),
  start("more arguments than the kernel takes", { cmd: "true", args: ["x".repeat(1e6)] }, /E2BIG/),
  start("a NUL in cmd", { cmd: "tr\0ue" }, /cmd holds a NUL byte at 2/),
  start("a NUL in an argument", { cmd: "true", args: ["a", "\0"] }, /args\[1\] holds a NUL byte at 0/),
  start("a NUL in a variable", { cmd: "true", envs: { A: "x\0" } }, /envs\["A"\] holds a NUL byte at 1/),
  start(
    "a NUL in a variable's name",
    { cmd: "true", envs: { "A\0B": "x" } },
    /name of envs\["A\\0B"\] .* NUL/,
  ),
  start("a NUL in cwd", { cmd: "true", cwd: "/\0" }, /cwd holds a NUL byte at 1/),
  start("a variable without a name", { cmd: "true", envs: { "": "x" } }, /envs has the name ""/),
  start("a variable's name with =", { cmd: "true", envs: { "A=B": "x" } }, /envs has the name "A=B"/),
  start(
    "a missing cwd",
    { cmd: "true", cwd: "/holdfast/no/such" },
    /cwd "\/holdfast\/no\/such" does not exist/,
  ),
  start("a file for cwd", { cmd: "true", cwd: "/etc/passwd" }, /cwd "\/etc\/passwd" is not a directory/),
  start(
    "a cwd below a file",
    { cmd: "true", cwd: "/etc/passwd/x" },
    /cwd "\/etc\/passwd\/x" is not a directory/,
  ),
  start("a cwd that links to itself", { cmd: "true", cwd: `${folder}/loop` }, /cwd ".*loop" .*ELOOP/),
  start("another user's ~", { cmd: "true", cwd: "~nobody" }, /cwd "~nobody" does not exist/),
  {
    name: "a Start without a process",
    rpc: "Start",
    messages: [{}],
    code: "invalid_argument",
    says: /process is missing/,
  },
  {
    name: "a NUL in a tag",
    rpc: "Start",
    messages: [{ process: { cmd: "true" }, tag: "a\0b" }],
    code: "invalid_argument",
    says: /tag holds a NUL byte at 1/,
  },
];

function start(name: string, process: JsonValue, says: RegExp): Case {
  return { name, rpc: "Start", messages: [{ process }], code: "invalid_argument", says };
}

const sizes: readonly (readonly [string, JsonValue, RegExp])[] = [
  ["a pty of 0 columns", { size: { cols: 0, rows: 24 } }, /cols is 0, must be 1 to 65535/],
  ["a pty of 0 rows", { size: { cols: 80, rows: 0 } }, /rows is 0, must be 1 to 65535/],
  ["a pty of 65,536 columns", { size: { cols: 65_536, rows: 24 } }, /cols is 65536/],
  ["a pty of 2^32-1 rows", { size: { cols: 80, rows: 4_294_967_295 } }, /rows is 4294967295/],
];

const ptys: Case[] = sizes.flatMap(([name, pty, says]) => [
  {
    name: `to start ${name}`,
    rpc: "Start",
    messages: [{ process: { cmd: "true" }, pty }],
    code: "invalid_argument",
    says,
  },
  {
    name: `to resize to ${name}`,
    rpc: "Update",
    messages: [{ process: PTY, pty }],
    code: "invalid_argument",
    says,
  },
]);
// A Start with these sizes gets 80 × 24: test/wire/tolerance.test.ts.
ptys.push(
  {
    name: "to resize to a pty without a size",
    rpc: "Update",
    messages: [{ process: PTY, pty: {} }],
    code: "invalid_argument",
    says: /pty\.size is missing/,
  },
  {
    name: "to resize to a pty with an empty size",
    rpc: "Update",
    messages: [{ process: PTY, pty: { size: {} } }],
    code: "invalid_argument",
    says: /cols is 0, must be 1 to 65535/,
  },
  {
    name: "to resize to no pty",
    rpc: "Update",
    messages: [{ process: PTY }],
    code: "invalid_argument",
    says: /pty\.size is missing/,
  },
  {
    name: "to resize a process on pipes",
    rpc: "Update",
    messages: [{ process: PIPES, pty: { size: { cols: 80, rows: 24 } } }],
    code: "failed_precondition",
    says: /runs on pipes/,
  },
);

/** The rpcs that select a process, each with all it needs but that. */
const selecting: readonly (readonly [RpcName, (process: JsonValue) => JsonValue])[] = [
  ["Connect", (process) => ({ process })],
  ["Update", (process) => ({ process, pty: { size: { cols: 80, rows: 24 } } })],
  ["SendInput", (process) => ({ process, input: { stdin: "aGk=" } })],
  ["StreamInput", (process) => ({ start: { process } })],
  ["SendSignal", (process) => ({ process, signal: "SIGNAL_SIGTERM" })],
  ["CloseStdin", (process) => ({ process })],
];
const unknown: readonly (readonly [string, () => JsonValue, RegExp])[] = [
  ["pid 0", () => ({ pid: 0 }), /no process with pid 0/],
  ["pid 1", () => ({ pid: 1 }), /no process with pid 1/],
  ["pid 2^32-1", () => ({ pid: 4_294_967_295 }), /no process with pid 4294967295/],
  ["the agent's own pid", () => ({ pid: agent.pid }), /no process with pid \d+/],
  ["an unknown tag", () => ({ tag: "no such" }), /no process with tag "no such"/],
  ["an empty tag", () => ({ tag: "" }), /no process with tag ""/],
];
const selectors: Case[] = selecting.flatMap(([rpc, message]) => [
  ...unknown.map(
    ([name, process, says]): Case => ({
      name: `${rpc} of ${name}`,
      rpc,
      messages: () => [message(process())],
      code: "not_found",
      says,
    }),
  ),
  {
    name: `${rpc} of an empty selector`,
    rpc,
    messages: [message({})],
    code: "invalid_argument",
    says: /process is missing/,
  },
]);
for (const rpc of ["Connect", "Update", "SendSignal", "CloseStdin"] as const)
  selectors.push({
    name: `${rpc} of nothing`,
    rpc,
    messages: [{}],
    code: "invalid_argument",
    says: /process is missing/,
  });

const STDIN = { stdin: "aGk=" };
const TO_PTY = { pty: "aGk=" };

const inputs: Case[] = [
  ...(["SendInput", "StreamInput"] as const).flatMap((rpc) => [
    input(rpc, PIPES, TO_PTY, "pty input to pipes", /process \d+ has no pty input: it runs on pipes/),
    input(rpc, PTY, STDIN, "stdin to a pty", /process \d+ has no stdin input: it runs on a pty/),
    input(rpc, NO_STDIN, STDIN, "stdin to a process without", /process \d+ has no stdin/),
    input(rpc, CLOSED_STDIN, STDIN, "stdin after CloseStdin", /process \d+ has a closed stdin/),
    { ...input(rpc, PIPES, {}, "input of no kind", /input is missing/), code: "unimplemented" },
  ]),
  {
    name: "SendInput without input",
    rpc: "SendInput",
    messages: [{ process: PIPES }],
    code: "unimplemented",
    says: /input is missing/,
  },
  {
    name: "CloseStdin of a pty",
    rpc: "CloseStdin",
    messages: [{ process: PTY }],
    code: "failed_precondition",
    says: /process \d+ has no stdin input: it runs on a pty/,
  },
  {
    name: "CloseStdin of a process without",
    rpc: "CloseStdin",
    messages: [{ process: NO_STDIN }],
    code: "failed_precondition",
    says: /process \d+ has no stdin/,
  },
  { name: "CloseStdin once more", rpc: "CloseStdin", messages: [{ process: CLOSED_STDIN }], code: "ok" },
  stream(
    "StreamInput of data before start",
    [{ data: { input: STDIN } }],
    /first event is data; it must be start/,
  ),
  stream("StreamInput of a keepalive before start", [{ keepalive: {} }], /first event is keepalive/),
  stream(
    "StreamInput of two starts",
    [{ start: { process: PIPES } }, { start: { process: PIPES } }],
    /second start/,
  ),
  stream("StreamInput of no event", [], /ended without a start event/),
  stream("StreamInput of a start without a process", [{ start: {} }], /process is missing/),
  {
    ...stream("StreamInput of an unknown event", [{}], /event is of an unknown kind/),
    code: "unimplemented",
  },
  {
    ...stream(
      "StreamInput of an unknown event after start",
      [{ start: { process: PIPES } }, {}],
      /unknown kind/,
    ),
    code: "unimplemented",
  },
];

function input(rpc: RpcName, process: JsonValue, data: JsonValue, what: string, says: RegExp): Case {
  const messages =
    rpc === "SendInput" ? [{ process, input: data }] : [{ start: { process } }, { data: { input: data } }];
  return { name: `${rpc} of ${what}`, rpc, messages, code: "failed_precondition", says };
}

function stream(name: string, messages: readonly JsonValue[], says: RegExp): Case {
  return { name, rpc: "StreamInput", messages, code: "invalid_argument", says };
}

const signals: Case[] = [0, 4, 64, 2_147_483_647, -1].map((signal) => ({
  name: `SendSignal of ${signal}`,
  rpc: "SendSignal",
  messages: [{ process: PIPES, signal }],
  code: "invalid_argument",
  says: new RegExp(`signal ${signal} is unknown`),
}));

const scopes: Case[] = [2, -1].map((scope) => ({
  name: `SendSignal with scope ${scope}`,
  rpc: "SendSignal",
  messages: [{ process: PIPES, signal: 10, scope }],
  code: "invalid_argument",
  says: new RegExp(`scope ${scope} is unknown`),
}));

for (const { name, rpc, messages, code, says = /^$/ } of [
  ...starts,
  ...ptys,
  ...selectors,
  ...inputs,
  ...signals,
  ...scopes,
])
  test(`${name} is ${code}`, async () => {
    const sent = typeof messages === "function" ? messages() : messages;
    const answers = await callOverEvery(agent.port, (protocol) => ({
      rpc,
      body: encodeBody(protocol, rpc, sent),
    }));
    expect(answers).toEqual(overEvery({ code, message: expect.stringMatching(says) }));
  });

test.each([
  ["PATH of four million folders", "invalid_argument", { cmd: "no-such", envs: { PATH: ":".repeat(4e6) } }],
  ["million arguments", "resource_exhausted", { cmd: "true", args: Array.from({ length: 1e6 }, () => "") }],
])("a %s is refused within seconds, and delays no other client", async (_, code, process) => {
  // Not the agent of the other tests: it may be busy for minutes.
  const apart = await startAgent({ args: ["--max-arguments", "64MiB", "--max-environment", "64MiB"] });
  const answer = callRpc(apart.port, "Connect JSON", {
    rpc: "Start",
    body: encodeBody("Connect JSON", "Start", [{ process }]),
  });
  expect((await answer).code).toBe(code);
  await expectCommandRuns(apart.port);
});
