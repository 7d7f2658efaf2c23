// A listening socket that accepts nothing any more, as after a restore from a snapshot, is replaced.

import { get, type RequestOptions } from "node:http";
import { Server } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { type ListenAddress, startServer } from "../../../src/http/index.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

/** A server, and a fault: the kernel completes connections, and Node does not hear of them. */
async function startBreakable(address: ListenAddress) {
  const listening: Server[] = [];
  const listen = vi.spyOn(Server.prototype, "listen");
  const logger = { ...silent, warn: vi.fn() };
  const server = await startServer({
    addresses: [address],
    answer: (_, response) => void response.writeHead(204).end(),
    logger,
  });
  listening.push(...listen.mock.instances.filter((instance) => instance instanceof Server));
  listen.mockRestore();
  onTestFinished(() => server.close(0));
  return {
    server,
    logger,
    breakListener: () => {
      for (const { _handle } of listening as unknown as { _handle: { onconnection: () => void } }[])
        _handle.onconnection = () => undefined;
    },
  };
}

/** `address` holds a port or a socketPath. */
function answers(address: RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ ...address, agent: false }, (response) => resolve(response.resume().statusCode)).on(
      "error",
      reject,
    );
  });
}

test("the agent listens anew on the same port, and says so", async () => {
  const { server, logger, breakListener } = await startBreakable({ kind: "tcp", host: "127.0.0.1", port: 0 });
  const { port } = server;
  breakListener();
  await server.checkListeners();
  expect(logger.warn).toHaveBeenCalledExactlyOnceWith(
    { address: `127.0.0.1:${port}` },
    "the listening socket accepted no connections; listening anew",
  );
  expect(await answers({ port })).toBe(204);
});

test("the agent listens anew on the same Unix socket", async () => {
  const path = join(createTempFolder(), "agent.sock");
  const { server, logger, breakListener } = await startBreakable({ kind: "unix", path, mode: 0o600 });
  breakListener();
  await server.checkListeners();
  expect(logger.warn).toHaveBeenCalledOnce();
  expect(await answers({ socketPath: path })).toBe(204);
});

test("a listening socket that accepts is left alone", async () => {
  const { server, logger } = await startBreakable({ kind: "tcp", host: "127.0.0.1", port: 0 });
  await server.checkListeners();
  expect(logger.warn).not.toHaveBeenCalled();
  expect(await answers({ port: server.port })).toBe(204);
});
