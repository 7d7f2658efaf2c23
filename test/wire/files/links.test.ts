// Symbolic links in the paths of requests: which are followed, and that nothing else is reached when another program
// swaps them in the middle of an operation.

import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { callFiles, getFile, messageIn, putFile } from "../../support/clients/file-requests.ts";
import { swapPaths } from "../../support/proc/path-swapper.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { volume } from "../../support/volume.ts";

const NOBODY = 65534;
/** Each path of the operation is swapped some thousand times meanwhile. */
const ROUNDS = volume(12, 300);

const swap = (a: string, b: string) => swapPaths(a, b, NOBODY);

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const agent = useFileAgent(["--file-access", mode]);
  const port = () => Number(new URL(agent.url).port);
  const asNobody = { username: "nobody" };

  /** A directory of nobody, beside one that only root may change. */
  function places(): { readonly own: string; readonly outside: string } {
    const root = createTempFolder();
    chmodSync(root, 0o755);
    const [own, outside] = [join(root, "own"), join(root, "outside")];
    mkdirSync(own);
    chownSync(own, NOBODY, NOBODY);
    mkdirSync(outside);
    return { own, outside };
  }

  /** As nobody makes it. */
  function linkOfNobody(target: string, path: string): void {
    symlinkSync(target, path);
    spawn("chown", ["-h", "nobody", path]);
  }

  describe("a link of /proc to an open file (row 45)", () => {
    /** A file that this test process has open, and the path through /proc to it. */
    function openFile(): { readonly path: string; readonly link: string } {
      const path = join(agent.newFolder(), "open");
      writeFileSync(path, "open content");
      const fd = openSync(path, "r+");
      onTestFinished(() => closeSync(fd));
      return { path, link: `/proc/${process.pid}/fd/${fd}` };
    }

    test("is not followed by an upload, also not behind another link", async () => {
      const { path, link } = openFile();
      const behind = join(agent.newFolder(), "link");
      symlinkSync(link, behind);
      for (const target of [link, behind, `/proc/${process.pid}/root${path}`]) {
        for (const query of [{}, { atomic: "true" }]) {
          const answer = await putFile(port(), target, "other", { query });
          expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("ELOOP")]);
        }
      }
      expect(readFileSync(path, "utf8")).toBe("open content");
    });

    test("is not followed by any other request", async () => {
      const { path, link } = openFile();
      expect((await getFile(port(), link)).status).toBe(400);
      const root = `/proc/${process.pid}/root`;
      const folder = join(path, "..");
      expect((await getFile(port(), `${root}${path}`)).status).toBe(400);
      const unpacked = await callFiles(port(), {
        method: "POST",
        query: { path: `${root}${folder}/x`, format: "tar" },
        body: Buffer.alloc(1024),
      });
      expect(unpacked.status).toBe(400);
      const { client } = agent;
      const calls = await Promise.allSettled([
        client.stat({ path: `${root}${path}` }),
        client.listDir({ path: `${root}${folder}` }),
        client.makeDir({ path: `${root}${folder}/x` }),
        client.move({ source: `${root}${path}`, destination: `${folder}/x` }),
        client.move({ source: path, destination: `${root}${folder}/x` }),
        client.remove({ path: `${root}${path}` }),
        client.createWatcher({ path: `${root}${folder}` }),
      ]);
      for (const call of calls)
        expect(call).toEqual({ status: "rejected", reason: expect.any(ConnectError) as unknown });
      expect(readdirSync(folder)).toEqual(["open"]);
    });

    test("is shown as a link by Stat, and /proc/self and /proc/mounts are ordinary links", async () => {
      const { entry } = await agent.client.stat({ path: openFile().link });
      expect(entry?.symlinkTarget).toBe(entry?.path);
      expect((await getFile(port(), "/proc/self/status")).status).toBe(200);
      expect((await getFile(port(), "/proc/mounts")).status).toBe(200);
    });
  });

  describe("no_follow", () => {
    test.each(["", "atomic"])(
      "keeps an upload from following a link at the end of its path (%s)",
      async (more) => {
        const folder = agent.newFolder();
        writeFileSync(join(folder, "target"), "kept");
        symlinkSync("target", join(folder, "link"));
        symlinkSync("missing", join(folder, "dangling"));
        for (const name of ["link", "dangling"]) {
          const query = { no_follow: "true", ...(more === "" ? {} : { atomic: "true" }) };
          const answer = await putFile(port(), join(folder, name), "new", { query });
          expect([answer.status, messageIn(answer)]).toEqual([400, expect.stringContaining("ELOOP")]);
        }
        expect(readFileSync(join(folder, "target"), "utf8")).toBe("kept");
        expect(readdirSync(folder).sort()).toEqual(["dangling", "link", "target"]);
      },
    );

    test("=all keeps uploads and downloads from following any link of their path", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "real"));
      writeFileSync(join(folder, "real/file"), "kept");
      symlinkSync("real", join(folder, "link"));
      const all = { no_follow: "all" };
      for (const name of ["link/file", "link/new", "link/new/file"])
        expect([name, (await putFile(port(), join(folder, name), "new", { query: all })).status]).toEqual([
          name,
          400,
        ]);
      expect((await getFile(port(), join(folder, "link/file"), {}, all)).status).toBe(400);
      expect((await getFile(port(), join(folder, "real/file"), {}, all)).body.toString()).toBe("kept");
      expect((await putFile(port(), join(folder, "real/a/b"), "new", { query: all })).status).toBe(200);
      expect(readdirSync(join(folder, "real")).sort()).toEqual(["a", "file"]);
    });

    test("with another value is 400", async () => {
      const answer = await putFile(port(), join(agent.newFolder(), "x"), "", {
        query: { no_follow: "maybe" },
      });
      expect(answer.status).toBe(400);
    });
  });

  test("a link to nothing in a shared directory is followed only if it is the user's own", async () => {
    const shared = agent.newFolder();
    chmodSync(shared, 0o1777);
    const { outside } = places();
    symlinkSync(join(outside, "new"), join(shared, "link"));
    // Of another user than nobody and than root, who owns the directory.
    await new Promise((resolve) =>
      spawn("chown", ["-h", "12345", join(shared, "link")]).once("exit", resolve),
    );
    const answer = await putFile(port(), join(shared, "link"), "x", { query: asNobody });
    expect(answer.status).toBe(403);
    expect(readdirSync(outside)).toEqual([]);
  });

  describe("while another program swaps a directory and a link to a directory of root", () => {
    test("an upload never gives a directory or file of root to the user", async () => {
      const { own, outside } = places();
      mkdirSync(join(outside, "deep"));
      writeFileSync(join(outside, "file"), "");
      writeFileSync(join(outside, "full"), "root's");
      mkdirSync(join(own, "a"));
      chownSync(join(own, "a"), NOBODY, NOBODY);
      linkOfNobody(outside, join(own, "b"));
      await swap(join(own, "a"), join(own, "b"));
      for (let round = 0; round < ROUNDS; round++) {
        const names = [`new-${round}/deep/x`, `deep/x-${round}`, "file", "full"];
        await Promise.all(
          names.map((name, index) =>
            putFile(port(), join(own, "a", name), "x", {
              query: { ...asNobody, ...(index % 2 === round % 2 ? { atomic: "true" } : {}) },
            }),
          ),
        );
      }
      for (const name of ["", "deep", "file", "full"])
        expect([name, statSync(join(outside, name)).uid]).toEqual([name, 0]);
      if (mode === "user") {
        expect(readdirSync(outside).sort()).toEqual(["deep", "file", "full"]);
        expect(readFileSync(join(outside, "full"), "utf8")).toBe("root's");
      }
    });

    test("a file that is replaced by a rename never hands its owner to a file of root", async () => {
      const { own, outside } = places();
      writeFileSync(join(outside, "secret"), "root's", { mode: 0o600 });
      writeFileSync(join(own, "file"), "own");
      chownSync(join(own, "file"), NOBODY, NOBODY);
      linkOfNobody(join(outside, "secret"), join(own, "link"));
      await swap(join(own, "file"), join(own, "link"));
      for (let round = 0; round < ROUNDS; round++)
        await Promise.all(
          ["file", "link"].map((name) =>
            putFile(port(), join(own, name), `round ${round}`, { query: { ...asNobody, atomic: "true" } }),
          ),
        );
      expect(statSync(join(outside, "secret"))).toMatchObject({ uid: 0 });
      expect(statSync(join(outside, "secret")).mode & 0o777).toBe(0o600);
      if (mode === "user") expect(readFileSync(join(outside, "secret"), "utf8")).toBe("root's");
    });

    test("MakeDir, Move and Remove change nothing of root, with the rights of the user", async () => {
      const { own, outside } = places();
      const kept = ["deep", "x", "y"];
      for (const name of kept) mkdirSync(join(outside, name));
      mkdirSync(join(own, "a"));
      chownSync(join(own, "a"), NOBODY, NOBODY);
      linkOfNobody(outside, join(own, "b"));
      await swap(join(own, "a"), join(own, "b"));
      const client = agent.clientAs("nobody");
      const at = (name: string) => join(own, "a", name);
      for (let round = 0; round < ROUNDS; round++)
        await Promise.allSettled([
          client.makeDir({ path: at(`deep/${round}/sub`) }),
          client.move({ source: at("from"), destination: at("to/from") }),
          client.makeDir({ path: at("from") }),
          // With the agent's rights, a removal in the directory of root is what was asked for.
          ...(mode === "user" ? [client.remove({ path: at("x") })] : []),
        ]);
      for (const name of kept) expect([name, statSync(join(outside, name)).uid]).toEqual([name, 0]);
      if (mode === "user") expect(readdirSync(join(outside, "deep"))).toEqual([]);
    });

    test("an archive is unpacked into one directory, and nothing of it elsewhere", async () => {
      const { own, outside } = places();
      mkdirSync(join(own, "tree/a"), { recursive: true });
      writeFileSync(join(own, "tree/a/file"), "new");
      const archive = (await callFiles(port(), { query: { path: join(own, "tree"), format: "tar" } })).body;
      const target = join(own, "target");
      mkdirSync(join(target, "a"), { recursive: true });
      for (const path of [target, join(target, "a")]) chownSync(path, NOBODY, NOBODY);
      linkOfNobody(outside, join(target, "b"));
      await swap(join(target, "a"), join(target, "b"));
      for (let round = 0; round < ROUNDS; round++)
        await callFiles(port(), {
          method: "POST",
          query: { path: target, format: "tar", ...asNobody },
          body: archive,
        });
      expect([readdirSync(outside), statSync(outside).uid]).toEqual([[], 0]);
    });

    test("composing removes no source of another directory", async () => {
      const { own, outside } = places();
      mkdirSync(join(own, "a"));
      chownSync(join(own, "a"), NOBODY, NOBODY);
      linkOfNobody(outside, join(own, "b"));
      writeFileSync(join(outside, "part"), "root's");
      const swapper = await swap(join(own, "a"), join(own, "b"));
      for (let round = 0; round < ROUNDS; round++) {
        for (const name of ["a", "b"]) {
          // In whichever of the two is the directory of nobody now.
          if (!lstatSync(join(own, name)).isSymbolicLink() && !existsSync(join(own, name, "part")))
            writeFileSync(join(own, name, "mine"), "own");
        }
        const body = JSON.stringify({
          source_paths: [join(own, "a/mine")],
          destination: join(own, "result"),
          username: "nobody",
        });
        await callFiles(port(), { method: "POST", path: "/files/compose", body });
        expect(existsSync(join(outside, "part"))).toBe(true);
      }
      swapper.kill("SIGKILL");
    });
  });

  test("a link that is not followed stays as it is", async () => {
    const folder = agent.newFolder();
    writeFileSync(join(folder, "file"), "kept");
    linkSync(join(folder, "file"), join(folder, "twin"));
    symlinkSync("file", join(folder, "link"));
    await agent.client.move({ source: join(folder, "link"), destination: join(folder, "moved") });
    expect(readlinkSync(join(folder, "moved"))).toBe("file");
    await agent.client.remove({ path: join(folder, "moved") });
    expect([readdirSync(folder).sort(), readFileSync(join(folder, "twin"), "utf8")]).toEqual([
      ["file", "twin"],
      "kept",
    ]);
  });
});
