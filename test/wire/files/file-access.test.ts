// Whose rights uploads, downloads and archives have: the agent's, or with --file-access user the user's own.

import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { callFiles, getFile, putFile } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const NOBODY = 65534;
const user = { username: "nobody" };

describe("with --file-access user", () => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", "user"] });
  });
  afterAll(() => agent.stop());

  /** A directory that everybody may search, with a file of root and a directory of nobody in it. */
  function place(): { readonly root: string; readonly secret: string; readonly own: string } {
    const root = createTempFolder();
    chmodSync(root, 0o755);
    const secret = join(root, "secret");
    writeFileSync(secret, "secret", { mode: 0o600 });
    const own = join(root, "own");
    mkdirSync(own);
    chownSync(own, NOBODY, NOBODY);
    return { root, secret, own };
  }

  test("a file that the user may not read is 403, also through a link of the user", async () => {
    const { secret, own } = place();
    symlinkSync(secret, join(own, "link"));
    expect((await getFile(agent.port, secret, {}, user)).status).toBe(403);
    expect((await getFile(agent.port, join(own, "link"), {}, user)).status).toBe(403);
    expect((await getFile(agent.port, secret)).status).toBe(200);
  });

  test("a file that the user may not write is 403 and unchanged", async () => {
    const { root, secret, own } = place();
    symlinkSync(secret, join(own, "link"));
    for (const path of [secret, join(own, "link"), join(root, "new")])
      expect((await putFile(agent.port, path, "x", { query: user })).status).toBe(403);
    expect(readFileSync(secret, "utf8")).toBe("secret");
  });

  test.each(["small", "large ".repeat(200_000)])("uploaded files belong to the user", async (content) => {
    const { own } = place();
    const path = join(own, "d/file");
    expect((await putFile(agent.port, path, content, { query: user })).status).toBe(200);
    expect((await putFile(agent.port, path, content, { query: { ...user, atomic: "true" } })).status).toBe(
      200,
    );
    const { uid, gid } = statSync(path);
    expect([uid, gid, statSync(join(own, "d")).uid, readFileSync(path, "utf8")]).toEqual([
      NOBODY,
      NOBODY,
      NOBODY,
      content,
    ]);
  });

  test("an archive is packed and unpacked with the user's rights", async () => {
    const { root, own } = place();
    writeFileSync(join(own, "file"), "content");
    chownSync(join(own, "file"), NOBODY, NOBODY);
    const archive = await callFiles(agent.port, { query: { path: own, format: "tar", ...user } });
    expect(archive.status).toBe(200);
    const unpack = (path: string, more: Record<string, string> = {}) =>
      callFiles(agent.port, {
        method: "POST",
        query: { path, format: "tar", ...user, ...more },
        body: archive.body,
      });
    expect((await unpack(join(own, "copy"))).status).toBe(200);
    expect(statSync(join(own, "copy/file")).uid).toBe(NOBODY);
    expect((await unpack(join(root, "copy"))).status).toBe(403);
    expect((await unpack(join(own, "copy"), { owner: "archive" })).status).toBe(403);
  });

  test("files in a directory with the setgid bit get its group, as those of commands", async () => {
    const { own } = place();
    const group = 54_321;
    chownSync(own, NOBODY, group);
    chmodSync(own, 0o2755);
    const big = Buffer.alloc(1_000_000, 1);
    for (const [name, content] of [
      ["small", "x"],
      ["big", big],
      ["sub/big", big],
    ] as const) {
      expect((await putFile(agent.port, join(own, name), content, { query: user })).status).toBe(200);
      expect(statSync(join(own, name))).toMatchObject({ uid: NOBODY, gid: group });
      expect(readFileSync(join(own, name))).toEqual(Buffer.from(content));
    }
    const archive = await callFiles(agent.port, { query: { path: own, format: "tar", ...user } });
    const query = { path: join(own, "copy"), format: "tar", ...user };
    expect((await callFiles(agent.port, { method: "POST", query, body: archive.body })).status).toBe(200);
    for (const name of ["small", "big", "sub/big"])
      expect(statSync(join(own, "copy", name))).toMatchObject({ gid: group });
    expect(readFileSync(join(own, "copy/big"))).toEqual(big);
  });
});
