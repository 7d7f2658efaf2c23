// Delivered output can be read again, as far back as the start asked for.

import { expect, test } from "vitest";
import { untilFound } from "../support/until-found.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo } from "./test-client.ts";

const agent = agentForFile();

test.each([1000, 30_000, 60_000])(
  "the last %d bytes are held even if they arrived as part of a larger piece",
  async (replayBytes) => {
    const client = connectTo(agent.url);
    const process = await client.start({
      cmd: "bash",
      args: ["-c", "read x; dd if=/dev/zero bs=65536 count=1 2>/dev/null; read x"],
      stdin: true,
      output: { replayBytes },
    });
    await process.write("\n");
    const iterator = process[Symbol.asyncIterator]();
    while (process.offset < 65_536) await iterator.next();
    process.detach();
    const look = async () => (await client.list()).find(({ processId }) => processId === process.processId);
    await untilFound(async () => ((await look())?.subscribers === 0 ? true : undefined), look);

    const again = await client.attach(process.processId, { fromOffset: 65_536 - replayBytes });
    const { value } = await again[Symbol.asyncIterator]().next();
    expect(value).toMatchObject({ kind: "stdout", offset: 65_536 - replayBytes });
  },
);
