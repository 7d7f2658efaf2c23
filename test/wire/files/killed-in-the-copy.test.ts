// An agent that is killed while it writes an existing file in place: the next one completes the file. strace kills it at
// the system call that the test names.

import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
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
import { createBtrfs } from "../../support/btrfs.ts";
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

  function openBtrfs(): string {
    const top = createBtrfs();
    chmodSync(top, 0o777);
    return top;
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

  // On Btrfs, the old content is shared with a nameless file, then the file is cut to the new length if that is shorter, and
  // then it shares the blocks of the new one.
  test.each([
    ["before it is cut to its length keeps its old content", "ftruncate", 0.5, "old", "old"],
    ["between the two calls that share blocks is completed by the next agent", "ioctl", 0.5, "mixed", "new"],
    ["between the two calls, for longer content, keeps its old content", "ioctl", 1.5, "old", "old"],
  ] as const)("on Btrfs, a file with two names %s", async (_, call, ratio, afterKill, afterStart) => {
    const folder = join(openBtrfs(), "folder");
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const path = join(folder, "file");
    const old = Buffer.alloc(10_000_000, "old ");
    writeFileSync(path, old);
    linkSync(path, join(folder, "other"));
    chownSync(path, 65534, 65534);
    const before = leftBehind();
    const { ino } = statSync(path);
    const content = Buffer.alloc(old.length * ratio, "new ");
    const state = (name: string) => {
      const found = readFileSync(join(folder, name));
      return found.equals(old) ? "old" : found.equals(content) ? "new" : "mixed";
    };
    const kill = `${call}:signal=KILL`;
    const agent = await startTracedAgent([call], args, [kill], [path], withOwnRecords(records));
    await expect(putFile(agent.port, path, content, { query })).rejects.toThrow();
    await agent.exited();
    expect(["file", "other"].map(state)).toEqual([afterKill, afterKill]);
    await start();
    expect(["file", "other"].map(state)).toEqual([afterStart, afterStart]);
    expect([statSync(path).ino, statSync(path).nlink, statSync(path).uid]).toEqual([ino, 2, 65534]);
    expect(leftBehind()).toEqual(before);
    expect([readdirSync(folder).sort(), readdirSync(join(folder, ".."))]).toEqual([
      ["file", "other"],
      ["folder"],
    ]);
  });

  test("on Btrfs, a file that has shared the new blocks already has them, and nothing is left behind", async () => {
    const top = openBtrfs();
    const path = join(top, "file");
    writeFileSync(path, large.old);
    chownSync(path, 65534, 65534);
    const before = leftBehind();
    const agent = await startTraced("unlink", "unlink:signal=KILL");
    await expect(putFile(agent.port, path, large.content, { query })).rejects.toThrow();
    await agent.exited();
    expect(readFileSync(path).equals(large.content)).toBe(true);
    await start();
    expect(readFileSync(path).equals(large.content)).toBe(true);
    expect([leftBehind(), readdirSync(top)]).toEqual([before, ["file"]]);
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
