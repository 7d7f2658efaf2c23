// An agent that is killed while it writes an existing file in place: the next one completes the file. strace kills it at
// the system call that the test names.

import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
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

/**
 * Agents of the same machine complete each other's records, other agents of these tests included. So the agents here have a
 * /var/tmp of their own, which is `folder`.
 */
const withOwnRecords = (folder: string): readonly string[] => [
  ...["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /var/tmp && exec "$@"', folder],
];

describe.runIf(hasStrace).each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const args = ["--file-access", mode];
  const folders = useFileAgent(args);
  const query = { username: "nobody" };
  let records = "";
  beforeAll(() => {
    records = mkdtempSync(join(tmpdir(), "holdfast-test-"));
    chmodSync(records, 0o1777);
  });
  afterAll(() => rmSync(records, { recursive: true, force: true }));
  const start = () => startAgent({ args, prefix: withOwnRecords(records) });
  const startTraced = (call: string, kill: string) =>
    startTracedAgent([call], args, [kill], [], withOwnRecords(records));
  /** What agents keep for the next one. */
  const leftBehind = () => readdirSync(records).filter((name) => name.startsWith(".holdfast-redo-"));

  /** Uploads `content` over `old` and is killed at `kill`, as strace's --inject has it. */
  async function killedUpload(old: Buffer, content: Buffer, kill: string): Promise<string> {
    const path = join(folders.newFolder(), "file");
    const first = await start();
    expect((await putFile(first.port, path, old, { query })).status).toBe(200);
    await first.stop();
    const [call = ""] = kill.split(":");
    const agent = await startTraced(call, kill);
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
    const next = await start();
    expect(readFileSync(path).equals(content)).toBe(true);
    expect([statSync(path).ino, statSync(path).uid]).toEqual([ino, 65534]);
    expect(next.stderr()).toContain("completed an upload of an agent that was killed");
    expect(leftBehind()).toEqual(before);
    expect(readdirSync(join(path, ".."))).toEqual(["file"]);
  });

  test("a file that was not begun keeps its old content", async () => {
    const before = leftBehind();
    const path = await killedUpload(large.old, large.content, "copy_file_range:signal=KILL:when=1");
    await start();
    expect(readFileSync(path).equals(large.old)).toBe(true);
    expect(leftBehind()).toEqual(before);
  });

  test("a file that another program wrote or replaced meanwhile is left as it is", async () => {
    const written = await killedUpload(small.old, small.content, "ftruncate:signal=KILL");
    writeFileSync(written, "written by another program");
    const replaced = await killedUpload(small.old, small.content, "ftruncate:signal=KILL");
    writeFileSync(`${replaced}-2`, small.old);
    renameSync(`${replaced}-2`, replaced);
    await start();
    expect(readFileSync(written, "utf8")).toBe("written by another program");
    expect(readFileSync(replaced).equals(small.old)).toBe(true);
  });

  test("an agent that lives keeps its own records", async () => {
    const path = join(folders.newFolder(), "file");
    // Each copy takes a second, which is enough for another agent to start.
    const slow = await startTraced("copy_file_range", "copy_file_range:delay_enter=1000000");
    expect((await putFile(slow.port, path, large.old, { query })).status).toBe(200);
    const uploading = putFile(slow.port, path, large.content, { query });
    const other = await start();
    expect((await uploading).status).toBe(200);
    expect(readFileSync(path).equals(large.content)).toBe(true);
    expect(other.stderr()).not.toContain("completed an upload");
  });
});
