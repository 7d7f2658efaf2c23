// Input with and without a connection.

import { expect, test } from "vitest";
import { InputQueue, MAX_UNSENT_BYTES, PIECE_BYTES } from "../../console/terminal/input-queue.ts";
import { deferred } from "../../src/deferred.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function queue() {
  const writes: { text: string; done: () => void; fail: (error: Error) => void }[] = [];
  const failures: unknown[] = [];
  const input = new InputQueue({
    write: (data) => {
      const { promise, resolve, reject } = deferred<void>();
      writes.push({ text: new TextDecoder().decode(data), done: () => resolve(), fail: reject });
      return promise;
    },
    onChange: () => undefined,
    onFailure: (error) => failures.push(error),
  });
  /** Settles the newest write and what follows from that. */
  const settle = async () => {
    writes.at(-1)?.done();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { input, writes, failures, settle };
}

test("input during a write goes with the next one", async () => {
  const { input, writes, settle } = queue();
  input.isConnected = true;
  for (const key of "abc") input.push(bytes(key));
  expect(writes.map(({ text }) => text)).toEqual(["a"]);
  await settle();
  expect(writes.map(({ text }) => text)).toEqual(["a", "bc"]);
  await settle();
  expect(input.unsentBytes).toBe(0);
});

test("a paste goes in pieces, each after the answer to the one before", async () => {
  const { input, writes, settle } = queue();
  input.isConnected = true;
  const text = `${"x".repeat(PIECE_BYTES)}${"y".repeat(PIECE_BYTES)}z`;
  input.push(bytes(text));
  expect(writes).toHaveLength(1);
  await settle();
  expect(writes).toHaveLength(2);
  await settle();
  await settle();
  expect(writes.map((write) => write.text).join("")).toBe(text);
});

test("without a connection 4 KiB wait, and one byte more is refused", () => {
  const { input, writes } = queue();
  expect(input.push(new Uint8Array(MAX_UNSENT_BYTES))).toBe(true);
  expect(input.push(bytes("x"))).toBe(false);
  expect(input.unsentBytes).toBe(MAX_UNSENT_BYTES);
  expect(writes).toHaveLength(0);
  input.isConnected = true;
  expect(writes).toHaveLength(1);
});

test("Esc discards the input that waits for the connection, and is not typed itself", () => {
  const { input, writes } = queue();
  input.push(bytes("rm -rf x"));
  expect(input.push(bytes("\x1b"))).toBe(true);
  expect(input.unsentBytes).toBe(0);
  input.isConnected = true;
  expect(writes).toHaveLength(0);
  input.push(bytes("\x1b"));
  expect(writes.map(({ text }) => text)).toEqual(["\x1b"]);
});

test("a write that fails finally drops the input behind it", async () => {
  const { input, writes, failures } = queue();
  input.isConnected = true;
  input.push(bytes("a"));
  input.push(bytes("b"));
  writes[0]?.fail(new Error("the process has ended"));
  await Promise.resolve();
  await Promise.resolve();
  expect(failures).toHaveLength(1);
  expect(input.unsentBytes).toBe(0);
  expect(writes).toHaveLength(1);
});
