// Messages whose decoded form would be many times their size (16 MiB of `[],` were 600 MB and 4 s without any answer): the agent
// refuses them before it decodes them, in each format, and answers others meanwhile (rules 14 and 15).

import { request } from "node:http";
import { connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bombs } from "../fixtures/bombs.mjs";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { peakRssBytes } from "../support/proc/proc-activity.ts";

const BUDGET_BYTES = 64 * 1024 * 1024;
const refused = /the message has more than \d+ values; the limit of \w+ is \d+/;

function post(agent: RunningAgent, path: string, headers: Record<string, string>, body: Buffer) {
  if (headers["content-type"] === "application/grpc") return postHttp2(agent, path, headers, body);
  return new Promise<string>((resolve, reject) => {
    const options = { port: agent.port, method: "POST", path, headers, agent: false };
    const sent = request({ host: "127.0.0.1", ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => resolve(text)).on("error", reject);
    });
    sent.on("error", reject).end(body);
  });
}

function postHttp2(agent: RunningAgent, path: string, headers: Record<string, string>, body: Buffer) {
  return new Promise<string>((resolve, reject) => {
    const session = connect(agent.url, { maxSessionMemory: 64 }).on("error", reject);
    const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
    let message = "";
    const take = (received: Readonly<Record<string, unknown>>) => {
      message = String(received["grpc-message"] ?? message);
    };
    stream.on("response", take).on("trailers", take).on("error", reject).resume();
    stream.on("close", () => {
      session.close();
      resolve(message);
    });
    stream.end(body);
  });
}

test.each(Object.entries(bombs))("%s are refused, and cost little memory", async (_, [rpc, type, body]) => {
  const agent = await startAgent();
  const path = `/process.Process/${rpc}`;
  const bytes = body();
  for (let i = 0; i < 3; i++)
    expect(await post(agent, path, { "content-type": type }, bytes)).toMatch(refused);
  if (type === "application/proto" || type === "application/json") {
    const headers = { "content-type": type, "content-encoding": "gzip" };
    expect(await post(agent, path, headers, gzipSync(bytes))).toMatch(refused);
  }
  expect(peakRssBytes(agent.pid)).toBeLessThan(BUDGET_BYTES + 100_000_000);
  await expectCommandRuns(agent.port);
});

test("as many arguments as Linux takes are not too many values", async () => {
  const agent = await startAgent();
  const args = Array.from({ length: 200_000 }, () => "");
  const head = Buffer.alloc(5);
  const data = Buffer.from(JSON.stringify({ process: { cmd: "true", args } }));
  head.writeUInt32BE(data.length, 1);
  const body = Buffer.concat([head, data]);
  const headers = { "content-type": "application/connect+json" };
  expect(await post(agent, "/process.Process/Start", headers, body)).toContain('"exited":true');
});
