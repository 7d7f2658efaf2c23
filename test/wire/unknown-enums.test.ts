// Enum values that the agent does not know. As a name in JSON the library ignores them, so that a client would get the
// default without notice.

import type { JsonObject } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { callOverEvery, callRpc, encodeBody, overEvery } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

const agent = survivingAgent();
const CAT = { process: { tag: "cat" } };
const TRUE = { process: { cmd: "true" } };

beforeEach(async () => {
  expect(await startAndLeave(agent.port, { process: { cmd: "cat" }, tag: "cat" })).toMatchObject({
    code: "ok",
  });
});

function askJson(rpc: string, text: string) {
  const isStream = rpc === "Start" || rpc === "Connect";
  return callRpc(agent.port, "Connect JSON", { rpc, body: isStream ? envelope(Buffer.from(text)) : text });
}

test.each([
  ["SendSignal", { ...CAT, signal: "SIGFOO" }, 'signal "SIGFOO" is unknown; give one of SIGNAL_SIGHUP, '],
  ["SendSignal", { ...CAT, signal: "sigterm" }, 'signal "sigterm" is unknown; give one of SIGNAL_SIGHUP, '],
  ["SendSignal", { ...CAT, signal: "9" }, 'signal "9" is unknown; '],
  [
    "SendSignal",
    { ...CAT, signal: "SIGNAL_SIGTERM", scope: "GROUP" },
    'scope "GROUP" is unknown; give one of SIGNAL_SCOPE_PROCESS, SIGNAL_SCOPE_GROUP',
  ],
  ["Connect", { ...CAT, lag: "LAG_SKPI" }, 'lag "LAG_SKPI" is unknown; give one of LAG_BLOCK, LAG_SKIP'],
  [
    "Start",
    { ...TRUE, output: { detached: "ring" } },
    'output.detached "ring" is unknown; give one of DETACHED_DEFAULT, DETACHED_BLOCK, DETACHED_BUFFER, DETACHED_RING',
  ],
] as const)(
  "%s with an unknown name in %j is invalid_argument and names the field",
  async (rpc, json, says) => {
    expect(await askJson(rpc, JSON.stringify(json))).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(says),
    });
  },
);

test("a key that is written with escapes is checked also", async () => {
  const text = '{"process":{"tag":"cat"},"\\u0073ignal":"SIGFOO"}';
  expect(await askJson("SendSignal", text)).toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining('signal "SIGFOO" is unknown'),
  });
});

test("a long unknown name is clipped", async () => {
  const { code, message } = await askJson(
    "SendSignal",
    JSON.stringify({ ...CAT, signal: "x".repeat(9_000) }),
  );
  expect(code).toBe("invalid_argument");
  expect(message.length).toBeLessThan(500);
});

test.each([
  ["an unknown field", { ...TRUE, later: { detached: "NEW" } }],
  ["an argument that looks like a key", { process: { cmd: "true", args: ['"detached"', "lag"] } }],
  ["a variable with the name of an enum field", { process: { cmd: "true", envs: { detached: "x" } } }],
  ["null for an enum", { ...TRUE, output: { detached: null } }],
  ["a known name", { ...TRUE, output: { detached: "DETACHED_RING" } }],
  ["a known number", { ...TRUE, output: { detached: 3 } }],
] as const)("a Start with %s runs", async (_, json) => {
  expect(await askJson("Start", JSON.stringify(json))).toMatchObject({ code: "ok" });
});

test.each([
  ["SendSignal", { signal: 11 }, /^signal 11 is unknown; give one of SIGNAL_SIGHUP/],
  ["SendSignal", { signal: 15, scope: 7 }, /^scope 7 is unknown/],
  ["Connect", { lag: 5 }, /^lag 5 is unknown/],
  ["Start", { output: { detached: 9 } }, /^output\.detached 9 is unknown/],
] as const)(
  "%s with the unknown number in %j is invalid_argument over every protocol",
  async (rpc, part, says) => {
    const messages: JsonObject[] = [
      { ...(rpc === "Start" ? TRUE : CAT), ...JSON.parse(JSON.stringify(part)) },
    ];
    const call = (protocol: Parameters<typeof encodeBody>[0]) => ({
      rpc,
      body: encodeBody(protocol, rpc, messages),
    });
    expect(await callOverEvery(agent.port, call)).toEqual(
      overEvery({ code: "invalid_argument", message: expect.stringMatching(says) }),
    );
  },
);
