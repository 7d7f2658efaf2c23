// Input that is being written at the moment of an upgrade: each byte arrives once, and in order.

import { createHash, randomBytes } from "node:crypto";
import { createClient as createRpcClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { Process } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(90_000, 1_800_000) });

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

test("holdfast/client writes through upgrades, and no byte is lost or doubled", async () => {
  const agent = await startAgent();
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const process = await client.start({ cmd: "sha256sum", stdin: true });
  const data = randomBytes(volume(30, 300) * 2 ** 20);
  let written = 0;
  const writing = (async () => {
    for (; written < data.length; written += 2 ** 20)
      await process.write(data.subarray(written, written + 2 ** 20));
    await process.closeStdin();
  })();
  writing.catch(() => undefined);
  await upgrade(agent);
  await upgrade(agent);
  await writing;
  let sum = "";
  for await (const event of process) if (event.kind === "stdout") sum += Buffer.from(event.data).toString();
  expect(sum).toContain(sha256(data));
});

test("a StreamInput that an upgrade cuts can be repeated from its beginning by its offset", async () => {
  const agent = await startAgent();
  // StreamInput needs HTTP/2 to be half open for long; its connection cannot be carried.
  const client = createRpcClient(Process, createConnectTransport({ baseUrl: agent.url, httpVersion: "2" }));
  const received = receive(
    client.start({ process: { cmd: "sha256sum" }, stdin: true, tag: "sum", startId: "sum" }),
  );
  const pid = await received.started();
  received.ended().catch(() => undefined);
  const data = randomBytes(3_000_000);
  const process = { selector: { case: "pid" as const, value: pid } };
  let sent = 0;
  let goOn = (): void => undefined;
  const isCut = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  async function* messages(stopsAt: number) {
    yield { event: { case: "start" as const, value: { process } } };
    for (let at = 0; at < data.length; at += 100_000) {
      if (at === stopsAt) await isCut;
      sent = at;
      const value = data.subarray(at, at + 100_000);
      const input = { input: { case: "stdin" as const, value } };
      yield { event: { case: "data" as const, value: { input, offset: BigInt(at) } } };
    }
  }
  const cut = client.streamInput(messages(1_500_000)).catch((error: unknown) => error);
  await vi.waitUntil(() => sent >= 1_400_000, 10_000);
  await upgrade(agent);
  goOn();
  expect(await cut).toBeInstanceOf(Error);
  const { offset } = await client.streamInput(messages(-1));
  expect(offset).toBe(BigInt(data.length));
  await client.closeStdin({ process });
  const again = receive(
    client.start({ process: { cmd: "sha256sum" }, stdin: true, tag: "sum", startId: "sum" }),
  );
  await again.ended();
  expect(again.text("stdout")).toContain(sha256(data));
});
