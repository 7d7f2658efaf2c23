// Uploads over a real disk quota. Btrfs writes to new blocks, also over existing ones, so the quota can end a copy in the
// middle of a file that has all its blocks.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { messageIn, putFile } from "../../support/clients/file-requests.ts";
import { createQuotaFileSystem } from "../../support/quota-file-system.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  test.each(["", "atomic"])("a new file above the quota is 507 and leaves nothing (%s)", async (atomic) => {
    const folder = createQuotaFileSystem(1_000_000);
    const query = atomic === "" ? {} : { atomic: "true" };
    const answer = await putFile(agent.port, join(folder, "file"), Buffer.alloc(3_000_000, "n"), { query });
    expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("EDQUOT")]);
    expect(readdirSync(folder)).toEqual([]);
  });

  // The quota ends the upload before the copy, in it, or not at all, depending on what Btrfs has freed by then.
  const cases = [150_000, 200_000, 700_000].flatMap((bytes) =>
    [1, 0.9, 1.2, 1.5].flatMap((ratio) =>
      ["file", "below/file"].map((name) => ({ bytes, old: bytes * ratio, name })),
    ),
  );
  test.each(cases)(
    "$bytes bytes over the $old bytes of $name: the old content or the new one",
    async ({ bytes, old, name }) => {
      const folder = createQuotaFileSystem(bytes * 2);
      const path = join(folder, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, Buffer.alloc(old, "o"));
      const answer = await putFile(agent.port, path, Buffer.alloc(bytes, "n"), {
        headers: { "x-metadata-author": "new" },
      });
      const isStored = answer.status === 200;
      if (!isStored)
        expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("EDQUOT")]);
      const expected = isStored ? Buffer.alloc(bytes, "n") : Buffer.alloc(old, "o");
      const content = readFileSync(path);
      expect([content.length, content.equals(expected)]).toEqual([expected.length, true]);
      expect(readdirSync(join(path, ".."))).toEqual(["file"]);
    },
  );
});
