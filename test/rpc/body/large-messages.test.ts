// Large messages that are complete at once are decoded one in each turn of the event loop (rule 15).

import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Process } from "../../../src/gen/process_pb.ts";
import { turnFor } from "../../../src/rpc/body/large-messages.ts";
import { envelopePieces } from "../../../src/rpc/body/request-body.ts";
import { envelope } from "../../support/clients/envelopes.ts";

const MIB = 1024 * 1024;

test("a large message waits for the next turn if another one was decoded in this one; a small one does not", async () => {
  const decoded: string[] = [];
  for (const name of ["first", "second", "third"]) void turnFor(MIB)?.then(() => decoded.push(name));
  expect(turnFor(1000)).toBeUndefined();
  await Promise.resolve();
  expect(decoded).toEqual(["first"]);
  await turn();
  expect(decoded).toEqual(["first", "second"]);
  await turn();
  expect(decoded).toEqual(["first", "second", "third"]);
});

test("a large message waits also if it ends in one piece with the next message", async () => {
  await turn();
  void turnFor(MIB);
  async function* body(): AsyncIterable<Uint8Array> {
    yield Buffer.concat([envelope(Buffer.alloc(MIB, " ")), envelope("{}")]);
  }
  const share = { reserve: () => undefined, release: () => undefined };
  const method = Process.method.streamInput;
  const pieces = envelopePieces(body(), method, "json", { share, maxMessageBytes: 2 * MIB });
  let isPassedOn = false;
  void pieces[Symbol.asyncIterator]()
    .next()
    .then(() => {
      isPassedOn = true;
    });
  for (let i = 0; i < 50; i++) await Promise.resolve();
  expect(isPassedOn).toBe(false);
  await turn();
  await turn();
  expect(isPassedOn).toBe(true);
});
