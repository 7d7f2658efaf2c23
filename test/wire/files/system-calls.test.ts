// The system calls of the agent for files, and its reaction to errors of the kernel: observed and
// injected with strace.

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { FILE_ACCESS_MODES, fileClient } from "../../support/agent/file-agent.ts";
import { hasStrace, startTracedAgent } from "../../support/agent/traced-agent.ts";
import { callFiles, getFile, messageIn, putFile } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

if (!hasStrace)
  process.stderr.write(
    "SKIPPED: test/wire/files/system-calls.test.ts needs strace (apt-get install strace)\n",
  );

const OLD = "the old content";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const args = ["--file-access", mode];

  test.runIf(hasStrace)("a list opens no directory below its depth (row 34)", async () => {
    const folder = createTempFolder();
    mkdirSync(join(folder, "at-depth-1/at-depth-2/at-depth-3"), { recursive: true });
    const agent = await startTracedAgent(["open", "openat", "openat2"], args);
    const client = fileClient(agent.url);
    const opened = () => [...agent.calls().matchAll(/at-depth-\d(?=")/g)].map(([name]) => name);
    await client.listDir({ path: folder, depth: 1 });
    expect(opened()).toEqual([]);
    const { entries } = await client.listDir({ path: folder, depth: 2 });
    expect(entries.map(({ name }) => name)).toEqual(["at-depth-1", "at-depth-2"]);
    expect(opened()).toEqual(["at-depth-1"]);
  });

  describe.runIf(hasStrace)("without openat2", () => {
    const trace = ["openat2"];

    test.each(["ENOSYS", "EPERM"])(
      "everything works, and links are refused as with it (%s)",
      async (error) => {
        const agent = await startTracedAgent(trace, args, [`openat2:error=${error}`]);
        const client = fileClient(agent.url);
        const folder = createTempFolder();
        const at = (name: string) => join(folder, name);
        expect((await putFile(agent.port, at("a/b/file"), "content")).status).toBe(200);
        symlinkSync("a/b", at("link"));
        symlinkSync("link/file", at("second"));
        symlinkSync("circle", at("circle"));
        symlinkSync("a/created", at("dangling"));
        for (const path of ["link/file", "second", "a/../link/./file"])
          expect((await getFile(agent.port, at(path))).body.toString()).toBe("content");
        expect((await putFile(agent.port, at("second"), "changed")).status).toBe(200);
        expect((await putFile(agent.port, at("dangling"), "new")).status).toBe(200);
        expect([readFileSync(at("a/b/file"), "utf8"), readFileSync(at("a/created"), "utf8")]).toEqual([
          "changed",
          "new",
        ]);
        expect((await getFile(agent.port, at("circle"))).status).toBe(400);
        expect((await getFile(agent.port, at("link/file/"))).status).toBe(404);
        for (const path of [
          `/proc/${process.pid}/root${at("a/b/file")}`,
          `/proc/${process.pid}/cwd/package.json`,
        ])
          expect([path, (await getFile(agent.port, path)).status]).toEqual([path, 400]);
        expect((await getFile(agent.port, "/proc/self/status")).status).toBe(200);
        expect((await getFile(agent.port, at("second"), {}, { no_follow: "true" })).status).toBe(400);
        expect((await putFile(agent.port, at("link/x"), "", { query: { no_follow: "all" } })).status).toBe(
          400,
        );
        expect((await client.stat({ path: at("second") })).entry?.symlinkTarget).toBe(at("a/b/file"));
        expect((await client.listDir({ path: at("link") })).entries.map(({ path }) => path)).toEqual([
          at("link/file"),
        ]);
        const archive = await callFiles(agent.port, { query: { path: folder, format: "tar" } });
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
        const query = { path: at("unpacked"), format: "tar" };
        expect((await callFiles(agent.port, { method: "POST", query, body: archive.body })).status).toBe(200);
        expect(readFileSync(at("unpacked/a/b/file"), "utf8")).toBe("changed");
        // A link that is there already leads nothing of an archive elsewhere.
        rmSync(at("unpacked/a"), { recursive: true });
        mkdirSync(at("outside"));
        symlinkSync(at("outside"), at("unpacked/a"));
        const again = await callFiles(agent.port, { method: "POST", query, body: archive.body });
        expect([again.status, readdirSync(at("outside"))]).toEqual([409, []]);
        await expect(client.stat({ path: at("missing") })).rejects.toThrow(ConnectError);
        expect(agent.calls()).toContain("(INJECTED)");
      },
    );
  });

  describe.runIf(hasStrace)("with a disk quota that is used up", () => {
    // No file system here has quotas, so the kernel's answer is forced.
    test.each([
      ["while a body is spooled", "pwrite64,pwritev", {}],
      ["when an existing file is written", "fallocate", {}],
      ["when a file is replaced", "pwrite64,pwritev", { atomic: "true" }],
    ] as const)("an upload is 507 and leaves the old content: %s", async (_, calls, query) => {
      const agent = await startTracedAgent(["pwrite64", "pwritev", "fallocate"], args, [
        `${calls}:error=EDQUOT`,
      ]);
      const folder = createTempFolder();
      const path = join(folder, "file");
      writeFileSync(path, OLD);
      for (const target of [path, `${path}-new`]) {
        if (calls === "fallocate" && target !== path) continue;
        const answer = await putFile(agent.port, target, Buffer.alloc(1_000_000, 1), { query });
        expect([answer.status, messageIn(answer)]).toEqual([507, expect.stringContaining("EDQUOT")]);
      }
      expect([readFileSync(path, "utf8"), statSync(path).size, readdirSync(folder)]).toEqual([
        OLD,
        OLD.length,
        ["file"],
      ]);
      expect(agent.calls()).toContain("(INJECTED)");
    });

    test("an upload without room for metadata is 507 and keeps content and metadata", async () => {
      const agent = await startTracedAgent(["fsetxattr"], args, ["fsetxattr:error=EDQUOT:when=2+"]);
      const path = join(createTempFolder(), "file");
      expect((await putFile(agent.port, path, OLD, { headers: { "x-metadata-a": "1" } })).status).toBe(200);
      const answer = await putFile(agent.port, path, "new", { headers: { "x-metadata-a": "2" } });
      expect([answer.status, readFileSync(path, "utf8")]).toEqual([507, OLD]);
    });
  });

  test.runIf(hasStrace && mode === "agent")(
    "a chown that fails is not a write that fails (row 23)",
    async () => {
      const agent = await startTracedAgent(["fchown"], args, ["fchown:error=EPERM"]);
      const path = join(createTempFolder(), "new/file");
      for (const content of ["one", "two"])
        expect((await putFile(agent.port, path, content, { query: { username: "nobody" } })).status).toBe(
          200,
        );
      expect([readFileSync(path, "utf8"), statSync(path).uid]).toEqual(["two", 0]);
      expect(agent.calls()).toContain("(INJECTED)");
    },
  );

  test.runIf(hasStrace)("an error of close is an error of the upload (row 20)", async () => {
    const path = join(createTempFolder(), "file");
    writeFileSync(path, OLD);
    // Of the descriptor that was written: two look-ups opened and closed the file before.
    const agent = await startTracedAgent(["close"], args, ["close:error=EIO:when=3"], [path]);
    const answer = await putFile(agent.port, path, "short");
    expect([answer.status, messageIn(answer)]).toEqual([503, expect.stringContaining("EIO")]);
    expect(readFileSync(path, "utf8")).toBe("short");
  });
});
