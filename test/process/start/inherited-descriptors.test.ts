// Descriptors that the agent inherited from a shell or a supervisor. A process must not get them.

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { plainClient } from "../../support/agent/running-processes.ts";
import { eventually } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

test("descriptors that the agent inherited do not reach its processes", async () => {
  const file = join(createTempFolder(), "file");
  writeFileSync(file, "");
  const agent = await startAgent({
    prefix: ["bash", "-c", `exec 3<${file} 5>${file} 50<${file} 200<>${file}; exec "$@"`, "bash"],
  });
  expect(readdirSync(`/proc/${agent.pid}/fd`)).toEqual(expect.arrayContaining(["3", "5", "50", "200"]));
  for (const pty of [{}, { pty: { size: { cols: 80, rows: 24 } } }]) {
    const leave = new AbortController();
    const stream = plainClient(agent.url).start(
      { process: { cmd: "sleep", args: ["60"] }, ...pty },
      { signal: leave.signal },
    );
    for await (const { event } of stream) {
      const pid = event?.event.case === "start" ? event.event.value.pid : 0;
      const open = () => readdirSync(`/proc/${pid}/fd`).join(" ");
      await eventually("only 0, 1 and 2 are open", () => open() === "0 1 2", open);
      break;
    }
    leave.abort();
  }
});
