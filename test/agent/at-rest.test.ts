// Rule 19: an agent without connections and deadlines does not wake up, also after it has worked; with idle
// connections it does so once in ten seconds.

import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:http2";
import { expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";

const HEALTH = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** How often the threads of a process have begun to wait so far. */
function waits(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  }, 0);
}

/** Resolves when the agent has not woken up for `ms`. */
async function untilAtRest(pid: number, ms: number): Promise<void> {
  let before = waits(pid);
  let since = performance.now();
  await eventually(
    `${ms} ms without a wake-up`,
    () => {
      const now = waits(pid);
      if (now !== before) since = performance.now();
      before = now;
      return performance.now() - since >= ms;
    },
    () => ({ before, descriptors: fdCount(pid) }),
    60_000,
  );
}

test("an agent at rest does not wake up for 5 s, after commands and connections also", async () => {
  const agent = await startAgent({ args: ["--retain-ended", "1s"] });
  await expectCommandRuns(agent.port);
  const connection = await openConnection(agent.port);
  connection.send(HEALTH);
  expect(await connection.response()).toMatchObject({ status: 204 });
  connection.cut();
  // The end of what is left: the deadline of a retained process, the last sweep, the compiled form of the program, the
  // time until the code is paged out, and V8's collections after work, which are up to 8 s apart.
  await untilAtRest(agent.pid, 5_000);
}, 90_000);

test("idle connections of HTTP/1.1 and HTTP/2 wake it up once in 10 s, and are served afterwards", async () => {
  const agent = await startAgent({ args: ["--retain-ended", "1s"] });
  const connection = await openConnection(agent.port);
  const session = connect(agent.url);
  try {
    const bothAnswer = async () => {
      connection.send(HEALTH);
      expect(await connection.response()).toMatchObject({ status: 204 });
      const stream = session.request({ ":path": "/health" });
      const [headers] = await once(stream, "response");
      expect(headers[":status"]).toBe(204);
      stream.close();
    };
    await bothAnswer();
    await untilAtRest(agent.pid, 9_000);
    await bothAnswer();
  } finally {
    connection.cut();
    session.destroy();
  }
}, 90_000);
