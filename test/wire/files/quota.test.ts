// Uploads to a file system with a real quota. Btrfs writes changed data to new blocks, so the quota can end a copy in the
// middle, even if the file already has all its blocks.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readMetadata } from "../../../src/filesystem/entries/metadata.ts";
import { writeAttribute } from "../../../src/linux/index.ts";
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
    chmodSync(folder, 0o777);
    const query = { username: "nobody", ...(atomic === "" ? {} : { atomic: "true" }) };
    const answer = await putFile(agent.port, join(folder, "file"), Buffer.alloc(3_000_000, "n"), { query });
    expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("EDQUOT")]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([1_500_000, 3_000_000, 4_500_000, 7_000_000])(
    "%i bytes over a file of 1,000 parts: the old content with its holes, or the new one",
    async (bytes) => {
      // 4 MB of data.
      const folder = createQuotaFileSystem(6_500_000);
      const path = join(folder, "file");
      const file = openSync(path, "w+");
      for (let part = 0; part < 1_000; part++)
        writeSync(file, Buffer.alloc(4096, `${part} `), 0, 4096, part * 16_384);
      ftruncateSync(file, 1_000 * 16_384);
      fsyncSync(file);
      closeSync(file);
      chmodSync(folder, 0o777);
      chmodSync(path, 0o666);
      const [old, before] = [readFileSync(path), statSync(path)];
      const answer = await putFile(agent.port, path, Buffer.alloc(bytes, "n"), {
        query: { username: "nobody" },
      });
      const isStored = answer.status === 200;
      if (!isStored)
        expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("EDQUOT")]);
      if (bytes > 6_500_000) expect(isStored).toBe(false);
      const content = readFileSync(path);
      expect(content.equals(isStored ? Buffer.alloc(bytes, "n") : old)).toBe(true);
      const after = statSync(path);
      expect([after.ino, readdirSync(folder)]).toEqual([before.ino, ["file"]]);
      if (!isStored) expect(after.blocks).toBe(before.blocks);
    },
  );

  // The quota ends the upload before the copy, in it, or not at all, depending on what Btrfs has freed by then.
  const cases = [150_000, 200_000, 700_000].flatMap((bytes) =>
    [1, 0.9, 1.2, 1.5, 0].flatMap((ratio) =>
      ["file", "below/file"].map((name) => ({ bytes, old: bytes * ratio, name })),
    ),
  );
  test.each(cases)(
    "$bytes bytes over the $old bytes of $name: the old content or the new one",
    async ({ bytes, old, name }) => {
      const folder = createQuotaFileSystem(bytes * 2);
      const path = join(folder, name);
      mkdirSync(join(path, ".."), { recursive: true });
      chmodSync(folder, 0o777);
      chmodSync(join(path, ".."), 0o777);
      writeFileSync(path, Buffer.alloc(old, "o"));
      chmodSync(path, 0o666);
      expect(writeAttribute(Buffer.from(path), "user.e2b.author", Buffer.from("old"))).toBeUndefined();
      const answer = await putFile(agent.port, path, Buffer.alloc(bytes, "n"), {
        query: { username: "nobody" },
        headers: { "x-metadata-author": "new" },
      });
      const isStored = answer.status === 200;
      if (!isStored)
        expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("EDQUOT")]);
      const expected = isStored ? Buffer.alloc(bytes, "n") : Buffer.alloc(old, "o");
      const content = readFileSync(path);
      expect([content.length, content.equals(expected)]).toEqual([expected.length, true]);
      expect(readMetadata(Buffer.from(path))).toEqual({ author: isStored ? "new" : "old" });
      expect(readdirSync(join(path, ".."))).toEqual(["file"]);
    },
  );
});
