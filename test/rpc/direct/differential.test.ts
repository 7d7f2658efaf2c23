// Calls that are answered directly, compared with the library: the same bytes go to both, and the status, the headers in
// their order, the body, and what the service was asked for must be the same.

import { connect as connectHttp2 } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { openConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { contentType, encodeBody } from "../../support/clients/rpc-call.ts";
import { eventually } from "../../support/proc/proc.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { volume } from "../../support/volume.ts";
import { exchange, exchangeHttp2, type Received } from "./exchange.ts";
import { requestOf, type SentRequest, split } from "./requests.ts";
import { openTwoPaths, type Path, REQUEST_MEMORY_BYTES } from "./two-paths.ts";

const REQUESTS = volume(200, 10_000);
const AT_ONCE = 20;
const TIMEOUT_MS = volume(120_000, 1_800_000);
const firstSeed = Number(process.env["HOLDFAST_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

type Send = (path: Path, request: SentRequest, random: () => number) => Promise<unknown>;

/** Fails with the seed of the first request that is answered in two ways. */
async function expectSameAnswers(requests: number, opened: () => Promise<{ paths: Paths; send: Send }>) {
  let asked = 0;
  let direct = 0;
  for (let done = 0; done < requests; done += AT_ONCE) {
    const { paths, send } = await opened();
    for (let seed = firstSeed + done; seed < firstSeed + done + AT_ONCE; seed++) {
      const [ours, theirs] = await Promise.all(
        [paths.direct, paths.library].map((path) => {
          const random = seededRandom(seed);
          return send(path, requestOf(random), random);
        }),
      );
      const { body, ...head } = requestOf(seededRandom(seed));
      const what = `HOLDFAST_FUZZ_SEED=${seed} ${JSON.stringify({ ...head, body: body.toString("latin1") })}`;
      expect(ours, what.slice(0, 4000)).toEqual(theirs);
    }
    expect(paths.direct.asked, `HOLDFAST_FUZZ_SEED=${firstSeed + done}`).toEqual(paths.library.asked);
    for (const { memory } of [paths.direct, paths.library]) expect(memory.heldBytes).toBe(0);
    expect(paths.library.direct()).toBe(0);
    asked += paths.direct.asked.length;
    direct += paths.direct.direct();
  }
  // Otherwise the two were compared with themselves.
  expect(direct).toBeGreaterThan(asked / 2);
}

type Paths = Awaited<ReturnType<typeof openTwoPaths>>;

test("clients cannot tell a call that is answered directly from one that the library answers, over HTTP/1.1", {
  timeout: TIMEOUT_MS,
}, async () => {
  await expectSameAnswers(REQUESTS, async () => ({
    paths: await openTwoPaths(),
    send: ({ port }, request, random) => exchange(port, split(requestBytes(request), request, random)),
  }));
});

test("clients cannot tell a call that is answered directly from one that the library answers, over h2c", {
  timeout: TIMEOUT_MS,
}, async () => {
  await expectSameAnswers(REQUESTS / 2, async () => {
    const paths = await openTwoPaths();
    const sessions = new Map(
      [paths.direct, paths.library].map(({ port }) => {
        const session = connectHttp2(`http://127.0.0.1:${port}`).on("error", () => undefined);
        onTestFinished(() => session.destroy());
        return [port, session];
      }),
    );
    return {
      paths,
      send: async ({ port }, request, random) => {
        const session = sessions.get(port);
        return session && exchangeHttp2(session, { ...request, body: split(request.body, request, random) });
      },
    };
  });
});

test("a client stream that arrives byte by byte is the same stream on both paths", async () => {
  const paths = await openTwoPaths();
  const messages = [
    { start: { process: { pid: 1 } } },
    ...["eA==", "", "eHl6"].map((stdin) => ({ data: { input: { stdin } } })),
  ];
  for (const protocol of ["Connect JSON", "Connect binary"] as const) {
    const bytes = requestBytes({
      path: "/process.Process/StreamInput",
      headers: { "content-type": contentType(protocol, "StreamInput") },
      body: encodeBody(protocol, "StreamInput", messages),
    });
    const pieces = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    const [ours, theirs] = await Promise.all(
      [paths.direct, paths.library].map(({ port }) => exchange(port, pieces)),
    );
    expect(ours).toEqual(theirs);
  }
  expect(paths.direct.asked).toHaveLength(2 * messages.length);
  expect(paths.direct.asked).toEqual(paths.library.asked);
  expect(paths.direct.direct()).toBe(2 * messages.length);
});

test("the bytes of a message that is still arriving count in the memory for requests on both paths", async () => {
  const { direct, library } = await openTwoPaths();
  const input = (bytes: number) =>
    requestBytes({
      path: "/process.Process/SendInput",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ process: { pid: 1 }, input: { stdin: "" }, padding: "x".repeat(bytes) }),
    });
  for (const { port, memory } of [direct, library]) {
    const slow = await openConnection(port);
    onTestFinished(() => slow.cut());
    slow.send(input(REQUEST_MEMORY_BYTES - 1000).subarray(0, -1));
    await eventually(
      "the slow message is counted",
      () => memory.heldBytes > REQUEST_MEMORY_BYTES - 1000,
      () => memory.heldBytes,
    );
    const refused = await exchange(port, [input(1000)]);
    expect(refused).toMatchObject({ statusLine: "HTTP/1.1 429 Too Many Requests" });
    expect(((await exchange(port, [input(100)])) as Received).statusLine).toBe("HTTP/1.1 200 OK");
    slow.send("}");
    expect((await slow.response()).status).toBe(200);
    expect(memory.heldBytes).toBe(0);
  }
});

test("a message that does not arrive in time is answered on both paths, and not handled", async () => {
  const { direct, library } = await openTwoPaths(50);
  const bytes = requestBytes({
    path: "/process.Process/Start",
    headers: { "content-type": "application/connect+json" },
    body: encodeBody("Connect JSON", "Start", [{ process: { cmd: "true" } }]),
  });
  const [ours, theirs] = await Promise.all(
    [direct, library].map(({ port }) => exchange(port, [bytes.subarray(0, -1)])),
  );
  expect(ours).toEqual(theirs);
  expect(ours).toMatchObject({ body: expect.stringContaining("deadline_exceeded") });
  expect([direct.asked, library.asked]).toEqual([[], []]);
  expect([direct.memory.heldBytes, library.memory.heldBytes]).toEqual([0, 0]);
});
