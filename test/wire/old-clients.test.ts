// Clients that do not know holdfast's additions receive none of them: no answer has a field from 100 on, over any
// protocol and in any state of the process. The fields are read from the bytes.

import type { JsonValue } from "@bufbuild/protobuf";
import { beforeAll, expect, test } from "vitest";
import { Process, type ProcessInfo, Signal } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { callRpc, encodeBody, type Protocol, protocols, type RpcName } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { binaryFields, jsonFields } from "../support/clients/wire-fields.ts";
import { eventually } from "../support/proc/proc.ts";

let agent: RunningAgent;

beforeAll(async () => {
  // The agent keeps little of the unread output, so an old client is behind a gap.
  agent = await startAgent({ args: ["--detached", "ring", "--replay", "1KiB"] });
  return () => agent.stop();
});

interface Answer {
  readonly code: string;
  /** The fields of each message. */
  readonly fields: readonly (readonly string[])[];
}

async function ask(protocol: Protocol, rpc: RpcName, messages: readonly JsonValue[]): Promise<Answer> {
  const answer = await callRpc(agent.port, protocol, { rpc, body: encodeBody(protocol, rpc, messages) });
  const schema = Process.methods.find(({ name }) => name === rpc)?.output;
  if (schema === undefined) throw new Error(`no rpc ${rpc}`);
  const fields = answer.messages.map((message) =>
    protocol === "Connect JSON"
      ? jsonFields(schema, JSON.parse(message.toString()) as object)
      : binaryFields(schema, message),
  );
  return { code: answer.code, fields };
}

const START = ["1", "1.1", "1.1.1"];
const outputOn = (stream: number) => ["1", "1.2", `1.2.${stream}`];
/** Zeros and false are not sent. */
const END_0 = ["1", "1.3", "1.3.2", "1.3.3"];
const END_3 = ["1", "1.3", "1.3.1", "1.3.2", "1.3.3", "1.3.4"];

function tagged(tag: string): { readonly process: JsonValue } {
  return { process: { tag } };
}

async function untilEnded(tag: string): Promise<void> {
  const client = plainClient(agent.url);
  await eventually(
    `${tag} has ended`,
    async () => (await client.list({})).processes.every((process) => process.tag !== tag),
    () => undefined,
  );
}

test.each(protocols)(
  "over %s the start, data and end events of a Start have envd's fields only",
  async (protocol) => {
    const { code, fields } = await ask(protocol, "Start", [
      { process: { cmd: "bash", args: ["-c", "echo out; echo err >&2; exit 3"] } },
    ]);
    // Two pipes: either may be read first.
    const [start, one, other, end, ...more] = fields;
    expect({ code, start, end, more }).toEqual({ code: "ok", start: START, end: END_3, more: [] });
    expect([one, other].sort()).toEqual([outputOn(1), outputOn(2)]);
    const pty = await ask(protocol, "Start", [
      { process: { cmd: "echo", args: ["hi"] }, pty: { size: { cols: 80, rows: 24 } } },
    ]);
    expect(pty).toEqual({ code: "ok", fields: [START, outputOn(3), END_0] });
  },
);

test.each(protocols)(
  "over %s a Connect behind a gap receives output and end, and no gap event",
  async (protocol) => {
    const tag = `gap ${protocol}`;
    const process = { selector: { case: "tag", value: tag } } as const;
    await startAndLeave(agent.port, {
      process: { cmd: "bash", args: ["-c", "read; head -c 100000 /dev/zero; cat"] },
      tag,
    });
    const client = plainClient(agent.url);
    const until = (what: string, isSo: (info: ProcessInfo) => boolean) =>
      eventually(
        what,
        async () => {
          const { processes } = await client.list({ includeEnded: true });
          return processes.some((info) => info.tag === tag && isSo(info));
        },
        () => tag,
      );
    await until("its client has left", ({ subscribers }) => subscribers === 0);
    await client.sendInput({ process, input: { input: { case: "stdin", value: Buffer.from("\n") } } });
    await until(
      "only the newest output is held",
      (info) => info.offset === 100_000n && info.heldBytes < 90_000n,
    );
    const asked = ask(protocol, "Connect", [tagged(tag)]);
    await client.closeStdin({ process });
    const live = await asked;
    const late = await ask(protocol, "Connect", [tagged(tag)]);
    for (const { code, fields } of [live, late]) {
      expect(code).toBe("ok");
      const kinds = new Set(fields.map((each) => each.join()));
      expect([...kinds].sort()).toEqual([START, outputOn(1), END_0].map((each) => each.join()).sort());
    }
  },
);

test.each(protocols)(
  "over %s the answers to List, input and signals have envd's fields only",
  async (protocol) => {
    const tag = `cat ${protocol}`;
    await startAndLeave(agent.port, {
      process: { cmd: "cat", args: ["-"], envs: { A: "b" }, cwd: "/" },
      tag,
    });
    await startAndLeave(agent.port, { process: { cmd: "true" }, tag: "ended" });
    await untilEnded("ended");
    const listed = await ask(protocol, "List", [{}]);
    expect(listed.code).toBe("ok");
    const all = new Set(listed.fields.flat());
    expect([...all].sort()).toEqual(["1", "1.1", "1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.2", "1.3"]);

    const input = { input: { stdin: Buffer.from("hello").toString("base64") } };
    const nothing = { code: "ok", fields: [[]] };
    expect(await ask(protocol, "SendInput", [{ ...tagged(tag), ...input }])).toEqual(nothing);
    if (protocol !== "gRPC-web")
      expect(await ask(protocol, "StreamInput", [{ start: tagged(tag) }, { data: input }])).toEqual(nothing);
    expect(await ask(protocol, "SendSignal", [{ ...tagged(tag), signal: Signal.SIGTERM }])).toEqual(nothing);
    await untilEnded(tag);
  },
);
