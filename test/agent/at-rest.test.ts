// Rule 19: an agent without connections and deadlines does not wake up, also after it has worked.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";

const REST_MS = 5_000;

/** How often the threads of a process have begun to wait so far. */
function waits(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  }, 0);
}

test("an agent at rest does not wake up for 5 s, after commands and connections also", async () => {
  const agent = await startAgent({ args: ["--retain-ended", "1s"] });
  const atStart = fdCount(agent.pid);
  await expectCommandRuns(agent.port);
  const connection = await openConnection(agent.port);
  connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await connection.response()).toMatchObject({ status: 204 });
  connection.cut();
  // The end of what is left: the deadline of a retained process, the last sweep, the compiled form of the program, the
  // time until the code is paged out, and V8's collections after work, which are up to 8 s apart.
  let before = waits(agent.pid);
  let since = performance.now();
  await eventually(
    "5 s without a wake-up",
    () => {
      const now = waits(agent.pid);
      if (now !== before) since = performance.now();
      before = now;
      return performance.now() - since >= REST_MS;
    },
    () => ({ before, descriptors: [atStart, fdCount(agent.pid)] }),
    60_000,
  );
}, 90_000);
