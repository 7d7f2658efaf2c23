// An agent that sends what the test scripts, over real HTTP: for events that a real agent never
// sends.

import { createServer } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { Process, type ProcessEventSchema } from "../../src/gen/process_pb.ts";

export type StreamEvent = NonNullable<MessageInitShape<typeof ProcessEventSchema>["event"]>;

export const startEvent = (offset: number, processId = "one", generation = ""): StreamEvent => ({
  case: "start",
  value: { pid: 12, processId, offset: BigInt(offset), generation },
});
export const dataEvent = (text: string, offset: number): StreamEvent => ({
  case: "data",
  value: { output: { case: "stdout", value: Buffer.from(text) }, offset: BigInt(offset) },
});
export const gapEvent = (from: number, to: number): StreamEvent => ({
  case: "gap",
  value: { from: BigInt(from), to: BigInt(to) },
});
export const rewoundEvent = (was: number, now: number): StreamEvent => ({
  case: "rewound",
  value: { was: BigInt(was), now: BigInt(now) },
});
export const endEvent = (offset: number): StreamEvent => ({
  case: "end",
  value: { exitCode: 0, exited: true, status: "exit status 0", offset: BigInt(offset) },
});

/**
 * Serves until the test is finished. Returns its URL. Over HTTP/2 `intercept` sees each request first; true keeps it
 * from the service.
 */
export async function serveScript(
  service: Partial<ServiceImpl<typeof Process>>,
  httpVersion: "1.1" | "2" = "1.1",
  intercept: (request: Http2ServerRequest) => boolean = () => false,
): Promise<string> {
  const answer = connectNodeAdapter({ routes: (router) => void router.service(Process, service) });
  const server =
    httpVersion === "2"
      ? createHttp2Server((request, response) => {
          if (!intercept(request)) answer(request, response);
        })
      : createServer(answer);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * The n-th stream, Start or Connect, sends the n-th list of events; later streams send the last
 * list.
 */
export async function serveStreams(...streams: readonly (readonly StreamEvent[])[]) {
  const asked: (bigint | undefined)[] = [];
  async function* next(from: bigint | undefined) {
    asked.push(from);
    for (const event of streams[asked.length - 1] ?? streams.at(-1) ?? []) yield { event: { event } };
  }
  const url = await serveScript({
    start: () => next(undefined),
    connect: ({ fromOffset }) => next(fromOffset),
  });
  /** The from_offset of each stream so far. */
  return { url, asked };
}
