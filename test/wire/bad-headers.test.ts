// Malformed time limits, keepalive intervals and users, over every protocol that has the header. A Start
// that is refused because of one starts nothing.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import {
  callOverEvery,
  encodeBody,
  overEvery,
  type Protocol,
  protocols,
} from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const agent = survivingAgent();

const connect: readonly Protocol[] = ["Connect JSON", "Connect binary"];
const grpc: readonly Protocol[] = ["gRPC", "gRPC-web"];

interface Case {
  readonly header: string;
  readonly value: string;
  readonly code: string;
  readonly says?: RegExp;
  readonly among?: readonly Protocol[];
}

const timeouts: Case[] = [
  ...["0", "9999999999"].map((value) => limit("Connect-Timeout-Ms", value, "ok")),
  ...["-1", "abc", "1.5", "99999999999", "1e3", "0x10", "5S"].map((value) =>
    limit("Connect-Timeout-Ms", value, "invalid_argument"),
  ),
  limit("Connect-Timeout-Ms", "", "invalid_argument"),
  ...["0n", "0H", "99999999H"].map((value) => limit("Grpc-Timeout", value, "ok")),
  ...["5", "S", "-1S", "5x", "5s", "1.5S", "999999999S"].map((value) =>
    limit("Grpc-Timeout", value, "invalid_argument"),
  ),
];

function limit(header: string, value: string, code: string): Case {
  return {
    header,
    value,
    code,
    among: header === "Grpc-Timeout" ? grpc : connect,
    ...(code === "ok" ? {} : { says: literally(value) }),
  };
}

const intervals: Case[] = [
  // A malformed interval is ignored: --keepalive counts.
  ...["1", "2147483", "0", "-1", "1.5", "abc", "", "1e1", "2147484", "99999999999", "50, 50"].map(
    (value) => ({
      header: "Keepalive-Ping-Interval",
      value,
      code: "ok",
    }),
  ),
];

const MALFORMED = /Basic must be base64\("USER:"\)/;
const users: Case[] = [
  user("Basic", MALFORMED),
  user("Basic !!!!", MALFORMED),
  user(`Basic ${base64("root")}`, MALFORMED),
  // Users of the SDKs mean the default user by an empty name.
  ...[":", ":root"].map((text) => ({
    header: "Authorization",
    value: `Basic ${base64(text)}`,
    code: "ok",
  })),
  user(`Basic ${base64("no-such-user:")}`, /no such user: "no-such-user"/),
  user(`Basic ${base64(" root:")}`, /no such user: " root"/),
  user(`Basic ${base64(`${"x".repeat(4000)}:`)}`, /no such user: "xxx/),
  user(`Basic ${Buffer.from([0xff, 0xfe, 0x3a]).toString("base64")}`, /no such user: "\ufffd\ufffd"/),
  { ...user(`Basic ${base64("ro\0ot:")}`, /user holds a NUL byte at 2/), code: "invalid_argument" },
];

function user(value: string, says: RegExp): Case {
  return { header: "Authorization", value, code: "unauthenticated", says };
}

for (const { header, value, code, says = /^$/, among = protocols } of [...timeouts, ...intervals, ...users]) {
  test(`Start with ${header} ${JSON.stringify(value).slice(0, 50)} is ${code}`, async () => {
    const mark = join(createTempFolder(), "started");
    const answers = await callOverEvery(
      agent.port,
      (protocol) => ({
        rpc: "Start",
        body: encodeBody(protocol, "Start", [{ process: { cmd: "touch", args: [mark] } }]),
        headers: { [header]: value },
      }),
      among,
    );
    expect(answers).toEqual(overEvery({ code, message: expect.stringMatching(says) }, among));
    expect(existsSync(mark)).toBe(code === "ok");
  });
}

for (const { header, value, code, says = /^$/, among = protocols } of timeouts) {
  test(`List with ${header} ${JSON.stringify(value)} is ${code}`, async () => {
    const answers = await callOverEvery(
      agent.port,
      (protocol) => ({
        rpc: "List",
        body: encodeBody(protocol, "List", [{}]),
        headers: { [header]: value },
      }),
      among,
    );
    expect(answers).toEqual(overEvery({ code, message: expect.stringMatching(says) }, among));
  });
}

test("the header of the other protocol's limit, however malformed, is ignored", async () => {
  const answers = await callOverEvery(agent.port, (protocol) => ({
    rpc: "Start",
    body: encodeBody(protocol, "Start", [{ process: { cmd: "true" } }]),
    headers: { [protocol.startsWith("gRPC") ? "Connect-Timeout-Ms" : "Grpc-Timeout"]: "garbage" },
  }));
  expect(answers).toEqual(overEvery({ code: "ok", message: "" }));
});

test("input that must wait ends at the client's limit", async () => {
  const process = { tag: "reads nothing" };
  const sleep = { process: { cmd: "sleep", args: ["infinity"] }, ...process };
  expect(await startAndLeave(agent.port, sleep)).toMatchObject({ code: "ok" });
  // More than a pipe holds.
  const input = { stdin: Buffer.alloc(200_000).toString("base64") };
  for (const [rpc, messages] of [
    ["SendInput", [{ process, input }]],
    ["StreamInput", [{ start: { process } }, { data: { input } }]],
  ] as const) {
    const answers = await callOverEvery(agent.port, (protocol) => ({
      rpc,
      body: encodeBody(protocol, rpc, messages),
      headers: protocol.startsWith("gRPC") ? { "Grpc-Timeout": "100m" } : { "Connect-Timeout-Ms": "100" },
    }));
    expect(answers).toEqual(overEvery({ code: "deadline_exceeded", message: expect.any(String) }));
  }
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function literally(text: string): RegExp {
  return new RegExp(text.replaceAll(/[^\w ]/g, "\\$&"));
}
