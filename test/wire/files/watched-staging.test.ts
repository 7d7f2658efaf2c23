// Watches of a directory in which the agent stages content. The kernel reports changes of a nameless file as changes of
// "#INODE" in the directory in which it was opened; on Btrfs that is often the top directory of the file system.

import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { createBtrfs } from "../../support/btrfs.ts";
import { callFiles, putFile } from "../../support/clients/file-requests.ts";
import { textOf } from "../../support/clients/watch-stream.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

/** More than stays in memory. */
const LARGE = Buffer.alloc(3_000_000, "content ");

/** Writes to a nameless file in the directory, as another program. */
const OTHER_PROGRAM = `
import os, sys
fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"x")
print(os.fstat(fd).st_ino)
`;

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const agent = useFileAgent(["--file-access", mode]);
  const query = { username: "nobody" };
  const portOf = () => Number(new URL(agent.url).port);

  test("watchers of the top directory see no change of the agent's own nameless files", async () => {
    const top = createBtrfs();
    chmodSync(top, 0o777);
    const folder = join(top, "folder");
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const old = join(folder, "old");
    writeFileSync(old, LARGE);
    chownSync(old, 65534, 65534);
    const source = createTempFolder();
    writeFileSync(join(source, "sparse"), "x");
    truncateSync(join(source, "sparse"), 10_000_000);
    const archive = execFileSync("tar", ["--create", "--sparse", "--directory", source, "sparse"]);

    const { watcherId } = await agent.client.createWatcher({ path: top });
    const put = async (path: string, content: Buffer, more: Record<string, string> = {}) =>
      expect((await putFile(portOf(), path, content, { query: { ...query, ...more } })).status).toBe(200);
    await put(join(folder, "new"), LARGE);
    await put(join(folder, "small"), Buffer.from("small"));
    await put(old, LARGE.subarray(1));
    await put(old, LARGE.subarray(2), { atomic: "true" });
    const unpacked = await callFiles(portOf(), {
      method: "POST",
      query: { ...query, path: folder, format: "tar" },
      body: archive,
    });
    expect(unpacked.status).toBe(200);
    // Those of other programs are reported, and those of files that have such a name.
    const inode = execFileSync("python3", ["-c", OTHER_PROGRAM, top]).toString().trim();
    writeFileSync(join(top, "#12"), "x");
    const { events } = await agent.client.getWatcherEvents({ watcherId });
    const names = events.map(textOf).filter((text) => text.includes("#"));
    expect(names).toEqual([`WRITE #${inode}`, "CREATE #12", "WRITE #12"]);
  });
});
