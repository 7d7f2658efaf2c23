// How many requests of HTTP/1.1 may wait for their turn, on all connections together.

import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { PipelineQueue } from "../../src/http/connection/pipeline-queue.ts";

const enter = (queue: PipelineQueue, socket: Socket) => queue.enter(socket, new IncomingMessage(socket));

test("requests enter up to the limit of all connections, and each that leaves makes room", () => {
  const queue = new PipelineQueue(3);
  const [one, other] = [new Socket(), new Socket()];
  expect([one, one, other, other].map((socket) => enter(queue, socket))).toEqual([true, true, true, false]);
  queue.leave(one);
  expect(enter(queue, other)).toBe(true);
  expect(enter(queue, one)).toBe(false);
});

test("a connection that closes takes its requests out, and a late turn of one of them changes nothing", async () => {
  const queue = new PipelineQueue(2);
  const [one, other] = [new Socket(), new Socket()];
  enter(queue, one);
  enter(queue, one);
  const closed = new Promise((resolve) => one.once("close", resolve));
  one.destroy();
  await closed;
  queue.leave(one);
  expect([other, other, other].map((socket) => enter(queue, socket))).toEqual([true, true, false]);
  expect(enter(queue, one)).toBe(false);
});
