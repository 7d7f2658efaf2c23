// A restore that the hypervisor reports through the VMClock device begins a generation with the next request.

import { createServer } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
import { GenerationWatch } from "../../src/agent/generation-watch.ts";
import { Generation } from "../../src/process/generation.ts";

test("a new counter begins one generation, at the next request, which stays connected", async () => {
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const generation = new Generation(() => []);
  const closeConnections = vi.fn(() => 3);
  let counter: bigint | undefined = 1n;
  const watch = new GenerationWatch({
    table: { generation },
    server: () => ({ closeConnections, checkListeners: async () => undefined }),
    logger,
    vmClock: { generation: () => counter },
  });
  const answered = vi.fn();
  const server = createServer(
    watch.watch((request, response) => {
      answered(request);
      response.end(generation.id);
    }),
  );
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const ask = async () =>
    (await fetch(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`)).text();

  const first = await ask();
  expect(await ask()).toBe(first);
  counter = 2n;
  const second = await ask();
  expect(second).not.toBe(first);
  expect(await ask()).toBe(second);
  expect(closeConnections).toHaveBeenCalledExactlyOnceWith(answered.mock.calls[2]?.[0]);
  expect(logger.info).toHaveBeenCalledWith(
    { generation: second, reason: "vmclock", closed: 3 },
    "new generation: older connections closed",
  );
});
