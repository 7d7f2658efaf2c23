// User names that are too long for any system. In a file of its own: such a name crashed the whole
// program in libc.

import { expect, test } from "vitest";
import { createTable } from "../../support/agent/process-table.ts";
import { command } from "../../support/clients/start-requests.ts";

test("a user name of a megabyte is unknown, and does not end the agent", async () => {
  const table = createTable();
  for (const bytes of [1_000, 100_000, 200_000, 1_000_000, 10_000_000])
    await expect(table.start(command("true", [], { user: "x".repeat(bytes) }))).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringMatching(/^no such user: "x+/),
    });
});
