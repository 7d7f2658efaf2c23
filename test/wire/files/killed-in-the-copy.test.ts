// An agent that is killed while it writes an existing file in place: the next one completes the file. strace kills it at
// the system call that the test names.

import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { hasStrace, startTracedAgent } from "../../support/agent/traced-agent.ts";
import { putFile } from "../../support/clients/file-requests.ts";

vi.setConfig({ testTimeout: 60_000 });

if (!hasStrace)
  process.stderr.write(
    "SKIPPED: test/wire/files/killed-in-the-copy.test.ts needs strace (apt-get install strace)\n",
  );

const LARGE_BYTES = 40_000_000;

/** What agents keep for the next one. */
const leftBehind = () =>
  ["/var/tmp", "/tmp"].flatMap((folder) =>
    readdirSync(folder).filter((name) => name.startsWith(".holdfast-redo-")),
  );

describe.runIf(hasStrace).each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const args = ["--file-access", mode];
  const folders = useFileAgent(args);
  const query = { username: "nobody" };

  /** Uploads `content` over `old` and is killed at `kill`, as strace's --inject has it. */
  async function killedUpload(old: Buffer, content: Buffer, kill: string): Promise<string> {
    const path = join(folders.newFolder(), "file");
    const first = await startAgent({ args });
    expect((await putFile(first.port, path, old, { query })).status).toBe(200);
    await first.stop();
    const [call = ""] = kill.split(":");
    const agent = await startTracedAgent([call], args, [kill]);
    await expect(putFile(agent.port, path, content, { query })).rejects.toThrow();
    await agent.exited();
    return path;
  }

  const small = { old: Buffer.alloc(100_000, "old "), content: Buffer.alloc(50_000, "new ") };
  const large = { old: Buffer.alloc(LARGE_BYTES, "old "), content: Buffer.alloc(LARGE_BYTES - 7, "new ") };

  test.each([
    ["a small file before it is cut to its length", small, "ftruncate:signal=KILL"],
    ["a large file in the middle of the copy", large, "copy_file_range:signal=KILL:when=2"],
    ["a large file before it is cut to its length", large, "ftruncate:signal=KILL"],
  ] as const)("%s: the next agent completes it", async (_, { old, content }, kill) => {
    const before = leftBehind();
    const path = await killedUpload(old, content, kill);
    const mixed = readFileSync(path);
    // Otherwise this test would show nothing.
    expect([mixed.equals(old), mixed.equals(content)]).toEqual([false, false]);
    const { ino } = statSync(path);
    const next = await startAgent({ args });
    expect(readFileSync(path).equals(content)).toBe(true);
    expect([statSync(path).ino, statSync(path).uid]).toEqual([ino, 65534]);
    expect(next.stderr()).toContain("completed an upload of an agent that was killed");
    expect(leftBehind()).toEqual(before);
    expect(readdirSync(join(path, ".."))).toEqual(["file"]);
  });

  test("a file that was not begun keeps its old content", async () => {
    const before = leftBehind();
    const path = await killedUpload(large.old, large.content, "copy_file_range:signal=KILL:when=1");
    await startAgent({ args });
    expect(readFileSync(path).equals(large.old)).toBe(true);
    expect(leftBehind()).toEqual(before);
  });

  test("a file that another program wrote or replaced meanwhile is left as it is", async () => {
    const written = await killedUpload(small.old, small.content, "ftruncate:signal=KILL");
    writeFileSync(written, "written by another program");
    const replaced = await killedUpload(small.old, small.content, "ftruncate:signal=KILL");
    writeFileSync(`${replaced}-2`, small.old);
    renameSync(`${replaced}-2`, replaced);
    await startAgent({ args });
    expect(readFileSync(written, "utf8")).toBe("written by another program");
    expect(readFileSync(replaced).equals(small.old)).toBe(true);
  });

  test("an agent that lives keeps its own records", async () => {
    const path = join(folders.newFolder(), "file");
    // Each copy takes a second, which is enough for another agent to start.
    const slow = await startTracedAgent(["copy_file_range"], args, ["copy_file_range:delay_enter=1000000"]);
    expect((await putFile(slow.port, path, large.old, { query })).status).toBe(200);
    const uploading = putFile(slow.port, path, large.content, { query });
    const other = await startAgent({ args });
    expect((await uploading).status).toBe(200);
    expect(readFileSync(path).equals(large.content)).toBe(true);
    expect(other.stderr()).not.toContain("completed an upload");
  });
});
