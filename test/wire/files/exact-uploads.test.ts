// An upload that fails, whatever fails, leaves the old file or the new one, and nothing beside it (row 18).

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { messageIn, putFile } from "../../support/clients/file-requests.ts";
import { openConnection, requestBytes } from "../../support/clients/raw-http.ts";
import { openDescriptors } from "../../support/proc/open-descriptors.ts";
import { eventually } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  /** As /proc shows a spool file. */
  const isNameless = (target: string) => /\/#\d+ \(deleted\)$/.test(target);

  const OLD = "the old content";
  const headers = { "content-type": "application/octet-stream" };

  /** A tmpfs of this size; the test needs to be root. */
  function smallFileSystem(bytes: number): string {
    const folder = createTempFolder();
    const mount = join(folder, "mount");
    mkdirSync(mount);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", mount]);
    onTestFinished(() => void execFileSync("umount", ["--lazy", mount]));
    return mount;
  }

  test("cut at every tenth byte leaves the old file, and no descriptor", async () => {
    const folder = createTempFolder();
    const path = join(folder, "file");
    writeFileSync(path, OLD);
    const body = Buffer.alloc(1000, "n");
    const request = requestBytes({ path: `/files?path=${path}`, headers, body });
    const head = request.length - body.length;
    for (let end = head; end < request.length; end += 10) {
      const connection = await openConnection(agent.port);
      connection.send(request.subarray(0, end));
      connection.reset();
      await connection.closed();
      expect([end, readFileSync(path, "utf8")]).toEqual([end, OLD]);
    }
    await eventually(
      "no file of this folder",
      () => !openDescriptors(agent.pid).some((target) => target.includes(folder)),
      () => openDescriptors(agent.pid),
    );
    expect([readFileSync(path, "utf8"), readdirSync(folder)]).toEqual([OLD, ["file"]]);
  });

  test("cut in a body that is spooled leaves the old file, and frees the space", async () => {
    const folder = createTempFolder();
    const path = join(folder, "file");
    writeFileSync(path, OLD);
    const body = Buffer.alloc(4_000_000, "n");
    const request = requestBytes({ path: `/files?path=${path}`, headers, body });
    for (let part = 1; part < 10; part++) {
      const connection = await openConnection(agent.port);
      connection.send(request.subarray(0, Math.floor((request.length * part) / 10)));
      // The agent has read what it reads before the cut, or not: both must be fine.
      connection.cut();
      await connection.closed();
      expect(readFileSync(path, "utf8")).toBe(OLD);
    }
    await eventually(
      "no spool file",
      () => !openDescriptors(agent.pid).some(isNameless),
      () => openDescriptors(agent.pid),
    );
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  describe("on a full disk", () => {
    test.each(["", "atomic"])("a new file is 507 and leaves nothing (%s)", async (atomic) => {
      const mount = smallFileSystem(2_000_000);
      const path = join(mount, "file");
      const query = atomic === "" ? {} : { atomic: "true" };
      const answer = await putFile(agent.port, path, Buffer.alloc(3_000_000, 1), { query });
      expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("ENOSPC")]);
      expect(readdirSync(mount)).toEqual([]);
    });

    test.each(["", "atomic"])(
      "an existing file keeps its content, and no space is lost (%s)",
      async (atomic) => {
        const mount = smallFileSystem(2_000_000);
        const path = join(mount, "file");
        writeFileSync(path, OLD);
        const free = statfsSync(mount).bfree;
        const query = atomic === "" ? {} : { atomic: "true" };
        const answer = await putFile(agent.port, path, Buffer.alloc(3_000_000, 1), { query });
        expect(answer.status).toBe(507);
        expect([readFileSync(path, "utf8"), readdirSync(mount), statfsSync(mount).bfree]).toEqual([
          OLD,
          ["file"],
          free,
        ]);
      },
    );

    test("a file that fits in place of the old one is stored, although both do not fit together", async () => {
      const mount = smallFileSystem(2_000_000);
      const path = join(mount, "file");
      writeFileSync(path, Buffer.alloc(1_500_000, "o"));
      const content = Buffer.alloc(1_600_000, "n");
      expect((await putFile(agent.port, path, content)).status).toBe(200);
      expect(readFileSync(path).equals(content)).toBe(true);
    });
  });

  test("a limit for the size of files, as a quota, leaves the old content", async () => {
    const limited = await startAgent({
      args: ["--file-access", mode],
      prefix: ["prlimit", "--fsize=1000000"],
    });
    const path = join(createTempFolder(), "file");
    writeFileSync(path, OLD);
    const answer = await putFile(limited.port, path, Buffer.alloc(1_500_000, 1));
    expect(answer.status).toBe(413);
    expect([readFileSync(path, "utf8"), statSync(path).size]).toEqual([OLD, OLD.length]);
  });

  test("an agent that is killed leaves the old file, and no spool file", async () => {
    const folder = createTempFolder();
    const path = join(folder, "file");
    writeFileSync(path, OLD);
    // Other agents of this machine have spool files there too.
    const spoolFilesOf = (pid: number) =>
      readdirSync("/var/tmp").filter((name) => name.startsWith(`.holdfast-spool-${pid}-`));
    for (const sent of [100, 300_000, 2_000_000]) {
      const killed = await startAgent({ args: ["--file-access", mode] });
      const connection = await openConnection(killed.port);
      const request = requestBytes({
        path: `/files?path=${path}`,
        headers,
        body: Buffer.alloc(2_000_001, "n"),
      });
      connection.send(request.subarray(0, sent));
      if (sent > 200_000)
        await eventually(
          "a spool file",
          () => openDescriptors(killed.pid).some(isNameless),
          () => openDescriptors(killed.pid),
        );
      killed.kill("SIGKILL");
      await killed.exited();
      await connection.closed();
      expect([readFileSync(path, "utf8"), readdirSync(folder), spoolFilesOf(killed.pid)]).toEqual([
        OLD,
        ["file"],
        [],
      ]);
    }
  });

  test("the file of an agent that was killed before a rename is removed at the next start", async () => {
    const abandoned = "/var/tmp/.holdfast-spool-4194303-left";
    writeFileSync(abandoned, "");
    await startAgent({ args: ["--file-access", mode] });
    await eventually(
      "its removal",
      () => !readdirSync("/var/tmp").includes(".holdfast-spool-4194303-left"),
      () => readdirSync("/var/tmp"),
    );
  });
});
