// The table of errors: for each, over every protocol, its code, HTTP status, body and headers. A row is one kind of error
// of DESIGN.md; the many messages of each kind are in bad-input.test.ts and bad-bodies.test.ts.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { type RawResponse, rawCall } from "../support/clients/raw-http.ts";
import {
  type Answer,
  callRpc,
  contentType,
  encodeBody,
  isEnveloped,
  type Protocol,
  protocols,
  type RpcCall,
} from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

let agent: RunningAgent;
beforeAll(async () => {
  agent = await startAgent({ args: ["--max-message", "64KiB"] });
  await startAndLeave(agent.port, { process: { cmd: "cat" }, tag: "cat", startId: "cat" });
});
afterAll(async () => {
  await killAll(agent.url);
  await agent.stop();
});

const CAT = { process: { tag: "cat" } };

interface Row {
  readonly name: string;
  readonly code: string;
  /** Of Connect's unary calls. Every other answer has 200. */
  readonly httpStatus: number;
  readonly rpc: string;
  readonly says: RegExp;
  readonly among?: readonly Protocol[];
  readonly call: (protocol: Protocol) => Omit<RpcCall, "rpc">;
}

function message(rpc: string, content: object): Row["call"] {
  return (protocol) => ({ body: encodeBody(protocol, rpc, [JSON.parse(JSON.stringify(content))]) });
}

/** The bytes of one message, in its envelope if the protocol has one. */
function bytes(rpc: string, content: (protocol: Protocol) => Uint8Array): Row["call"] {
  return (protocol) => ({
    body: isEnveloped(protocol, rpc) ? envelope(Buffer.from(content(protocol))) : content(protocol),
  });
}

function row(
  code: string,
  httpStatus: number,
  rpc: string,
  name: string,
  says: RegExp,
  call: Row["call"],
  among?: readonly Protocol[],
): Row {
  return { name, code, httpStatus, rpc, says, call, ...(among === undefined ? {} : { among }) };
}

const withoutJson = protocols.filter((protocol) => protocol !== "Connect JSON");
const emptyMessage = () => Buffer.alloc(0);
const strangeWords = "漢".repeat(3000);
const faces = "😀".repeat(1500);

const rows: Row[] = [
  row(
    "not_found",
    404,
    "SendSignal",
    "a signal to an unknown process",
    /^no process with pid 999999999$/,
    message("SendSignal", { process: { pid: 999_999_999 }, signal: 9 }),
  ),
  row(
    "not_found",
    404,
    "Connect",
    "a Connect to an unknown tag",
    /^no process with tag "no"$/,
    message("Connect", { process: { tag: "no" } }),
  ),
  row(
    "invalid_argument",
    400,
    "SendSignal",
    "an unknown signal",
    /^signal 0 is unknown; give one of SIGNAL_SIGHUP, .*SIGNAL_SIGKILL/,
    message("SendSignal", CAT),
  ),
  row(
    "invalid_argument",
    400,
    "Start",
    "a Start without a command",
    /^cmd is empty/,
    message("Start", { process: {} }),
  ),
  row(
    "invalid_argument",
    400,
    "SendSignal",
    "malformed protobuf",
    /^the message is not valid protobuf: /,
    bytes("SendSignal", () => Buffer.from([0x0a, 40, 0x0a])),
    withoutJson,
  ),
  row(
    "invalid_argument",
    400,
    "Start",
    "malformed protobuf in a stream",
    /^the message is not valid protobuf: /,
    bytes("Start", () => Buffer.from([0x0a, 40, 0x0a])),
    withoutJson,
  ),
  row(
    "invalid_argument",
    400,
    "StreamInput",
    "malformed protobuf in a client stream",
    /^the message is not valid protobuf: /,
    bytes("StreamInput", () => Buffer.from([0x0a, 40, 0x0a])),
    withoutJson,
  ),
  row(
    "invalid_argument",
    400,
    "SendSignal",
    "malformed JSON",
    /^cannot decode message process\.SendSignalRequest from JSON: /,
    bytes("SendSignal", () => Buffer.from("{")),
    ["Connect JSON"],
  ),
  row(
    "invalid_argument",
    400,
    "SendSignal",
    "invalid UTF-8 in JSON",
    /^the JSON message is not valid UTF-8/,
    bytes("SendSignal", () => Buffer.from('{"process":{"tag":"\xe9"}}', "latin1")),
    ["Connect JSON"],
  ),
  row(
    "invalid_argument",
    400,
    "Start",
    "invalid UTF-8 in an argument in JSON",
    /^the JSON message is not valid UTF-8/,
    bytes("Start", () => Buffer.from('{"process":{"cmd":"echo","args":["\xe9"]}}', "latin1")),
    ["Connect JSON"],
  ),
  row(
    "failed_precondition",
    400,
    "Update",
    "a resize without a terminal",
    /has no window size: it runs on pipes/,
    message("Update", { ...CAT, pty: { size: { cols: 80, rows: 24 } } }),
  ),
  row(
    "out_of_range",
    400,
    "SendInput",
    "input that leaves a hole",
    /^input at offset 5 would leave a hole/,
    message("SendInput", { ...CAT, input: { stdin: "" }, offset: "5" }),
  ),
  row(
    "out_of_range",
    400,
    "Connect",
    "an offset beyond the output",
    /^/,
    message("Connect", { ...CAT, fromOffset: "5" }),
  ),
  row(
    "already_exists",
    409,
    "Start",
    "a start_id of another command",
    /^start_id /,
    message("Start", { process: { cmd: "true" }, startId: "cat" }),
  ),
  row(
    "resource_exhausted",
    429,
    "SendInput",
    "a message larger than the limit",
    /^the message of \d+ bytes is larger than the limit \(65536 bytes; --max-message\)$/,
    (protocol) => ({
      body: isEnveloped(protocol, "SendInput") ? envelope(Buffer.alloc(65_600)) : Buffer.alloc(65_600),
    }),
  ),
  row(
    "unimplemented",
    501,
    "SendInput",
    "input of an unknown kind",
    /^input is missing or of an unknown kind; give stdin or pty$/,
    message("SendInput", CAT),
  ),
  row(
    "unimplemented",
    404,
    "List",
    "an unknown service",
    /^this agent has no service "example\.Example"; it has process\.Process, filesystem\.Filesystem, grpc\.health\.v1\.Health$/,
    (protocol) => ({ ...bytes("List", emptyMessage)(protocol), path: "/example.Example/Stat" }),
  ),
  row(
    "unimplemented",
    404,
    "List",
    "an unknown RPC",
    /^process\.Process has no RPC "Pause"$/,
    (protocol) => ({ ...bytes("List", emptyMessage)(protocol), path: "/process.Process/Pause" }),
  ),
  row("unauthenticated", 401, "Start", "an unknown user", /^no such user: "no-such-user"$/, (protocol) => ({
    ...message("Start", { process: { cmd: "true" } })(protocol),
    headers: { authorization: `Basic ${btoa("no-such-user:")}` },
  })),
  row(
    "invalid_argument",
    400,
    "Start",
    "a message of 3000 Chinese characters",
    /漢 … 漢/,
    message("Start", { process: { cmd: strangeWords } }),
  ),
  row(
    "invalid_argument",
    400,
    "Start",
    "a message of 1500 emoji",
    /😀 … .*😀/u,
    message("Start", { process: { cmd: faces } }),
  ),
  row(
    "not_found",
    404,
    "SendSignal",
    "a unary message of 3000 Chinese characters",
    /漢 … 漢/,
    message("SendSignal", { process: { tag: strangeWords }, signal: 9 }),
  ),
];

const isUnary = (rpc: string) => !["Start", "Connect", "StreamInput"].includes(rpc);

describeRows();

function describeRows(): void {
  for (const { name, code, httpStatus, rpc, says, call, among = protocols } of rows)
    for (const protocol of among)
      test(`${name} over ${protocol} is ${code}`, async () => {
        const answer = await callRpc(agent.port, protocol, { rpc, ...call(protocol) });
        expect(answer).toMatchObject({ code, message: expect.stringMatching(says), messages: [] });
        const isConnectUnary = protocol.startsWith("Connect") && isUnary(rpc);
        expect(answer.http.status).toBe(isConnectUnary ? httpStatus : 200);
        const type = isConnectUnary ? "application/json" : contentType(protocol, rpc);
        expect(answer.http.header("content-type")).toMatch(new RegExp(`^${type.replace("+", "\\+")}`));
        // The request was complete, or little of it is missing, so the connection continues.
        if (protocol !== "gRPC") expect(answer.http.header("connection")).toBe("keep-alive");
        expectShortEnough(answer);
      });
}

/** gRPC clients limit headers, at random above 8 KiB. */
function expectShortEnough({ http }: Answer): void {
  expect((http.header("grpc-message") ?? "").length).toBeLessThan(4096);
}

interface HttpRow {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  readonly type?: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const UNARY = "application/json, application/proto, application/grpc, application/grpc-web";
const STREAM = "application/connect+json, application/connect+proto, application/grpc, application/grpc-web";

const httpRows: HttpRow[] = [
  {
    name: "GET of a unary RPC",
    method: "GET",
    path: "/process.Process/List",
    type: "application/json",
    status: 405,
    headers: { allow: "POST" },
    body: { code: "unknown", message: "List is called with POST" },
  },
  {
    name: "a stream with the type of a unary RPC",
    path: "/process.Process/Start",
    type: "application/json",
    status: 415,
    headers: { "accept-post": STREAM },
    body: {
      code: "unknown",
      message: expect.stringMatching(
        /^Content-Type "application\/json" is not supported; Start is a stream .* each JSON message follows 5 bytes/,
      ),
    },
  },
];

test.each(httpRows)(
  "$name is $status and says what is accepted",
  async ({ status, headers = {}, body, ...sent }) => {
    const response = await call(sent);
    expect(response.status).toBe(status);
    for (const [name, value] of Object.entries(headers)) expect(response.headers.get(name)).toBe(value);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(JSON.parse(response.body.toString())).toEqual(body);
  },
);

test("a unary RPC with the type of a stream, and an unknown type, are 415 and name what is accepted", async () => {
  const wrong = await call({ path: "/process.Process/List", type: "text/xml" });
  expect([wrong.status, wrong.headers.get("content-type"), wrong.headers.get("accept-post")]).toEqual([
    415,
    "text/plain",
    UNARY,
  ]);
  expect(wrong.body.toString()).toBe(`Content-Type "text/xml" is not supported; List accepts ${UNARY}\n`);
  const type = "application/connect+json";
  const response = await call({ path: "/process.Process/List", type });
  expect(response.body.toString()).toContain(
    `Content-Type \\"${type}\\" is not supported; List accepts ${UNARY}`,
  );
});

test("grpc-web-text is refused in its own format, and the message names the other types", async () => {
  for (const rpc of ["List", "Start"]) {
    const type = "application/grpc-web-text";
    const response = await call({ path: `/process.Process/${rpc}`, type, body: "AAAAAAA=" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
    const trailer = Buffer.from(response.body.toString(), "base64").subarray(5).toString();
    expect(trailer).toMatch(
      /^grpc-status: 12\r\ngrpc-message: .*application\/grpc-web-text.*is not supported/,
    );
  }
});

test("after all of these errors the agent has logged no internal error and answers", async () => {
  expect((await plainClient(agent.url).list({})).processes.map(({ tag }) => tag)).toEqual(["cat"]);
  expect(agent.stderr()).not.toContain('"level":"error"');
});

function call({
  method = "POST",
  path,
  type,
  body = "{}",
}: {
  readonly method?: string;
  readonly path: string;
  readonly type?: string;
  readonly body?: string;
}): Promise<RawResponse> {
  const headers = type === undefined ? {} : { "content-type": type };
  return rawCall(agent.port, { method, path, headers, ...(method === "GET" ? {} : { body }) });
}
