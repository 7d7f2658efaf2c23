// Requests of other clients that are unusual and still succeed, because refusing them would stop those clients: terminals
// without a size, malformed keepalive intervals, fields of other versions.

import { expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";
import { callOverEvery, encodeBody, overEvery } from "../support/clients/rpc-call.ts";

test.each([
  ["no size", {}],
  ["an empty size", { size: {} }],
  ["size 0 x 0", { size: { cols: 0, rows: 0 } }],
])("a terminal with %s has 80 columns and 24 rows", async (_, pty) => {
  const agent = await startAgent();
  const answers = await callOverEvery(agent.port, (protocol) => ({
    rpc: "Start",
    body: encodeBody(protocol, "Start", [{ process: { cmd: "stty", args: ["size"] }, pty }]),
  }));
  expect(answers).toEqual(overEvery({ code: "ok", message: "" }));
  const received = receive(plainClient(agent.url).start({ process: { cmd: "stty", args: ["size"] }, pty }));
  await received.ended();
  expect(received.text("pty")).toBe("24 80\r\n");
});

test("unknown fields of POST /init are ignored and their names logged", async () => {
  const agent = await startAgent();
  const body = JSON.stringify({ caBundle: "secret", volumeMounts: [], envVars: { A: "1" } });
  const response = await fetch(`${agent.url}/init`, { method: "POST", body });
  expect(response.status).toBe(204);
  const message = "unknown fields of POST /init are ignored";
  const [line] = await agent.waitFor("stderr", new RegExp(`.*${message}.*`));
  expect(JSON.parse(line)).toMatchObject({ level: "warn", fields: ["caBundle", "volumeMounts"] });
  expect(agent.stderr()).not.toContain("secret");
});
