// Node makes a piece of each chunk of a body, which takes 400 bytes beside its own. So a body also waits for its handler when
// many pieces of it wait (rule 14), and none of it is lost.

import { createServer, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { CountedRequest } from "../../src/http/connection/early-answer.ts";
import { chunkFlood } from "../fixtures/floods.mjs";
import { eventually } from "../support/proc/proc.ts";

const CHUNKS = 60_000;
/** What one read of 64 KiB brings, in chunks of 6 bytes. */
const READ_CHUNKS = (64 * 1024) / 6;

test("a body in chunks of one byte waits after 1,024 of them and one read, and continues when it is taken", async () => {
  const requests: IncomingMessage[] = [];
  const server = createServer({ IncomingMessage: CountedRequest as typeof IncomingMessage }, (request) => {
    requests.push(request);
  });
  onTestFinished(() => void server.close().closeAllConnections());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client: Socket = connect(port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  client.on("error", () => undefined);
  client.write(chunkFlood("x".repeat(CHUNKS)));
  await eventually(
    "the connection is not read",
    () => requests[0]?.socket.isPaused() === true && requests[0].readableLength >= 1024,
    () => requests[0]?.readableLength,
  );
  const [request] = requests;
  // Nothing more is read then. Without the limit, 16 KiB and one read would wait, on later versions of Node 60,000 bytes.
  for (let turns = 0; turns < 100; turns++) await turn();
  expect(request?.readableLength).toBeLessThan(1024 + READ_CHUNKS);
  let bytes = 0;
  for await (const piece of request ?? []) bytes += (piece as Buffer).length;
  expect(bytes).toBe(CHUNKS);
});

test("a body that is discarded, and one of which each piece is taken alone, arrive completely", async () => {
  const taken: number[] = [];
  const server = createServer(
    { IncomingMessage: CountedRequest as typeof IncomingMessage },
    (request, response) => {
      let bytes = 0;
      if (taken.length === 0) request.on("data", (piece: Buffer) => (bytes += piece.length));
      else
        request.on("readable", () => {
          while (request.read(1) !== null) bytes++;
        });
      request.on("end", () => {
        taken.push(bytes);
        response.end();
      });
    },
  );
  onTestFinished(() => void server.close().closeAllConnections());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client: Socket = connect(port, "127.0.0.1");
  onTestFinished(() => void client.destroy());
  const flood = chunkFlood("x".repeat(20_000));
  client.write(Buffer.concat([flood, flood]));
  await eventually(
    "both have arrived",
    () => taken.length === 2,
    () => taken,
  );
  expect(taken).toEqual([20_000, 20_000]);
});
