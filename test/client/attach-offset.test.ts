// Where `attach` starts without `fromOffset`, and that a connection lost on the way does not change
// it.

import { expect, test } from "vitest";
import { untilProcess } from "../support/clients/process-info.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { collect } from "./collect.ts";
import { agentForFile } from "./file-agent.ts";
import { losingTransport } from "./losing-transport.ts";
import { connectTo } from "./test-client.ts";

const agent = agentForFile();

/**
 * The process prints "one", and "two" once the fifo is open. Its client reads `reads` bytes and
 * leaves.
 */
async function startAndDetach(reads: number, tag: string) {
  const fifo = createFifo();
  const script = `printf one; ${fifo.wait}; printf two; cat`;
  const process = await connectTo(agent.url).start({
    cmd: "bash",
    args: ["-c", script],
    stdin: true,
    tag,
    output: { detached: "buffer" },
  });
  while (process.offset < reads) await process[Symbol.asyncIterator]().next();
  process.detach();
  // Until then the agent may send "two" to the connection of this client.
  await untilProcess(agent.url, process.processId, "detached", ({ subscribers }) => subscribers === 0);
  return { fifo, processId: process.processId };
}

test.each([{ by: "processId" }, { by: "tag" }] as const)(
  "found by $by, it starts at the first byte that is not delivered, even if the first connections break before their start event",
  async ({ by }) => {
    const { fifo, processId } = await startAndDetach(3, `place by ${by}`);
    fifo.open();
    const { transport, sent } = losingTransport(agent.url, { List: 1, Connect: 2 });
    const again = await connectTo("", { transport }).attach(
      by === "tag" ? { tag: `place by ${by}` } : processId,
    );
    expect([sent("List"), sent("Connect"), again.offset]).toEqual([2, 3, 3]);
    await again.closeStdin();
    expect((await collect(again)).text.stdout).toBe("two");
  },
);

test("attached to an ended process, it starts at the first byte that is held", async () => {
  const { fifo, processId } = await startAndDetach(3, "ended");
  fifo.open();
  const first = await connectTo(agent.url).attach(processId);
  await first.closeStdin();
  await collect(first);
  const second = await connectTo(agent.url).attach({ tag: "ended" });
  expect((await collect(second)).text.stdout).toBe("onetwo");
});
