// A byte order mark at the beginning of a string is part of it, in every protocol: in an argument,
// a variable, a tag and the name of a file.

import { expect, test } from "vitest";
import { connectTo } from "../client/test-client.ts";
import { startAgent } from "../support/agent/agent.ts";
import { callRpc, encodeBody, protocols } from "../support/clients/rpc-call.ts";

const MARK = "\uFEFF";

test.each(protocols)("over %s an agent keeps the byte order marks of strings", async (protocol) => {
  const agent = await startAgent();
  const process = { cmd: "true", args: [`${MARK}x`], envs: { [`${MARK}KEY`]: `${MARK}value` } };
  const body = encodeBody(protocol, "Start", [{ process, tag: `${MARK}tag` }]);
  expect(await callRpc(agent.port, protocol, { rpc: "Start", body })).toMatchObject({ code: "ok" });

  const answer = await fetch(`${agent.url}/process.Process/List`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"includeEnded":true}',
  });
  expect(await answer.json()).toMatchObject({ processes: [{ config: process, tag: `${MARK}tag` }] });

  const client = connectTo(agent.url);
  const processes = await client.list({ includeEnded: true });
  expect(processes).toMatchObject([{ args: [`${MARK}x`], tag: `${MARK}tag` }]);
  await client.close();
});
