// The unmodified `e2b` SDK and the files of the sandbox, in both modes of --file-access, and in secure
// mode. The cases are those of E2B's own suite. test/python/test_files.py is the same for Python.

import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  FileNotFoundError,
  FilesystemEventType,
  FileType,
  InvalidArgumentError,
  Sandbox,
  type WatchHandle,
} from "e2b";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { useEmptyHome } from "../../support/agent/empty-home.ts";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { inTime } from "../../support/deadline.ts";
import { startControlPlane } from "../../support/network/control-plane.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const agent = useFileAgent(["--file-access", mode]);
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await Sandbox.create({ debug: true, sandboxUrl: agent.url });
    return useEmptyHome(agent.url);
  });

  /** Resolves with the first event that fits, from now on. */
  async function watch(
    folder: string,
    fits: (event: { name: string; type: FilesystemEventType }) => boolean,
    options: { recursive?: boolean } = {},
  ): Promise<{ readonly event: Promise<unknown> }> {
    let handle: WatchHandle | undefined;
    onTestFinished(async () => void (await handle?.stop()));
    let found = (_: unknown): void => undefined;
    const event = new Promise((resolve) => {
      found = resolve;
    });
    handle = await sandbox.files.watchDir(
      folder,
      (one) => {
        if (fits(one)) found(one);
      },
      options,
    );
    // Wrapped: an async function would wait for it.
    return { event: inTime(event, () => "no such event") };
  }

  test("a file is written and read as text, bytes, blob and stream", async () => {
    const path = join(agent.newFolder(), "new/folder/file.txt");
    const info = await sandbox.files.write(path, "héllo");
    expect(info).toMatchObject({ name: "file.txt", path, type: FileType.FILE });
    expect(await sandbox.files.read(path)).toBe("héllo");
    expect(Buffer.from(await sandbox.files.read(path, { format: "bytes" })).toString()).toBe("héllo");
    expect(await (await sandbox.files.read(path, { format: "blob" })).text()).toBe("héllo");
    const stream = await sandbox.files.read(path, { format: "stream" });
    expect(await new Response(stream).text()).toBe("héllo");
  });

  test("a stream is stored and read without being held, compressed on request", async () => {
    const path = join(agent.newFolder(), "large");
    const piece = "0123456789abcdef".repeat(4096);
    const pieces = 160;
    let sent = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ < pieces) controller.enqueue(new TextEncoder().encode(piece));
        else controller.close();
      },
    });
    await sandbox.files.write(path, stream);
    for (const gzip of [false, true]) {
      let bytes = 0;
      for await (const part of await sandbox.files.read(path, { format: "stream", gzip }))
        bytes += part.length;
      expect([gzip, bytes]).toEqual([gzip, pieces * piece.length]);
    }
    await sandbox.files.write(path, piece, { gzip: true });
    expect(await sandbox.files.read(path)).toBe(piece);
  });

  test("metadata is stored, replaced and cleared, and entries show it", async () => {
    const folder = agent.newFolder();
    const path = join(folder, "file");
    await sandbox.files.write(path, "1", { metadata: { Author: "a person", step: "1" } });
    expect(await sandbox.files.getInfo(path)).toMatchObject({ metadata: { author: "a person", step: "1" } });
    await sandbox.files.write(path, "2", { metadata: { step: "2" } });
    const [entry] = await sandbox.files.list(folder);
    expect(entry).toMatchObject({ name: "file", metadata: { step: "2" } });
    await sandbox.files.write(path, "3");
    expect((await sandbox.files.getInfo(path)).metadata ?? {}).toEqual({});
    await expect(sandbox.files.write(path, "4", { metadata: { "no name": "x" } })).rejects.toThrow(
      InvalidArgumentError,
    );
  });

  test("an empty file is readable in every format", async () => {
    const path = join(agent.newFolder(), "empty");
    await sandbox.files.write(path, "");
    expect(await sandbox.files.read(path)).toBe("");
    expect((await sandbox.files.read(path, { format: "bytes" })).length).toBe(0);
    expect((await (await sandbox.files.read(path, { format: "blob" })).text()).length).toBe(0);
  });

  test("several files are written at once", async () => {
    const folder = agent.newFolder();
    const written = await sandbox.files.write([
      { path: join(folder, "a"), data: "A" },
      { path: join(folder, "b/c"), data: "C" },
    ]);
    expect(written.map(({ path }) => path)).toEqual([join(folder, "a"), join(folder, "b/c")]);
    expect(await sandbox.files.read(join(folder, "b/c"))).toBe("C");
  });

  test("a missing file is FileNotFoundError in every call", async () => {
    const path = join(agent.newFolder(), "missing");
    await expect(sandbox.files.read(path)).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.getInfo(path)).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.rename(path, `${path}2`)).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.list(path)).rejects.toBeInstanceOf(FileNotFoundError);
    expect(await sandbox.files.exists(path)).toBe(false);
    expect(await sandbox.files.exists("/etc/passwd/x")).toBe(false);
    await sandbox.files.remove(path);
  });

  test("makeDir answers whether it made the directory", async () => {
    const path = join(agent.newFolder(), "a/b");
    expect(await sandbox.files.makeDir(path)).toBe(true);
    expect(await sandbox.files.makeDir(path)).toBe(false);
    expect(await sandbox.files.exists(path)).toBe(true);
  });

  test("list shows the entries by depth and in order, with links", async () => {
    const folder = agent.newFolder();
    mkdirSync(join(folder, "sub/deep"), { recursive: true });
    await sandbox.files.write(join(folder, "file"), "12345");
    symlinkSync("file", join(folder, "link"));
    const one = await sandbox.files.list(folder);
    expect(one.map(({ name, type }) => [name, type])).toEqual([
      ["file", FileType.FILE],
      ["link", FileType.FILE],
      ["sub", FileType.DIR],
    ]);
    expect(one[0]).toMatchObject({
      size: 5,
      mode: 0o644,
      permissions: "-rw-r--r--",
      owner: "root",
      group: "root",
    });
    expect(one[1]?.symlinkTarget).toBe(join(folder, "file"));
    expect((await sandbox.files.list(folder, { depth: 2 })).map(({ path }) => path)).toEqual(
      ["file", "link", "sub", "sub/deep"].map((name) => join(folder, name)),
    );
    await expect(sandbox.files.list(folder, { depth: 0 })).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  test("rename and remove work, and remove is recursive", async () => {
    const folder = agent.newFolder();
    await sandbox.files.write(join(folder, "a/b"), "x");
    const renamed = await sandbox.files.rename(join(folder, "a"), join(folder, "c"));
    expect(renamed).toMatchObject({ name: "c", path: join(folder, "c"), type: FileType.DIR });
    await sandbox.files.remove(join(folder, "c"));
    expect(await sandbox.files.list(folder)).toEqual([]);
  });

  test("files of another user belong to that user", async () => {
    const path = join(agent.newFolder(), "file");
    await sandbox.files.write(path, "x", { user: "nobody" });
    expect(await sandbox.files.getInfo(path)).toMatchObject({ owner: "nobody" });
  });

  test("a relative path is in the home", async () => {
    const name = `holdfast-test-${process.pid}`;
    onTestFinished(() => sandbox.files.remove(name));
    await sandbox.files.write(name, "x");
    const { stdout } = await sandbox.commands.run("pwd");
    expect((await sandbox.files.getInfo(name)).path).toBe(join(stdout.trim(), name));
  });

  test("watchDir reports writes, also of a file that is overwritten", async () => {
    const folder = agent.newFolder();
    await sandbox.files.write(join(folder, "file"), "1");
    const { event } = await watch(
      folder,
      ({ name, type }) => name === "file" && type === FilesystemEventType.WRITE,
    );
    await sandbox.files.write(join(folder, "file"), "2");
    await event;
  });

  test("watchDir reports changes in nested directories only if it is recursive", async () => {
    const folder = agent.newFolder();
    const { event } = await watch(
      folder,
      ({ name, type }) => name === "new/nested/file" && type === FilesystemEventType.WRITE,
      { recursive: true },
    );
    await sandbox.files.write(join(folder, "new/nested/file"), "x");
    await event;
  });

  test("watching a missing directory is an error, and so is watching a file", async () => {
    const folder = agent.newFolder();
    await expect(sandbox.files.watchDir(join(folder, "missing"), () => undefined)).rejects.toThrow();
    await sandbox.files.write(join(folder, "file"), "x");
    await expect(sandbox.files.watchDir(join(folder, "file"), () => undefined)).rejects.toThrow();
  });
});

test("secure mode: the SDK uses the token of the control plane, and signed URLs work without it", async () => {
  const envdAccessToken = "a-token-of-more-than-enough-letters";
  const agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: envdAccessToken } });
  const apiUrl = await startControlPlane({ envdVersion: "0.6.4", envdAccessToken });
  const sandbox = await Sandbox.create({
    ...{ apiUrl, sandboxUrl: agent.url, apiKey: `e2b_${"0".repeat(40)}` },
    secure: true,
  });
  const path = `/tmp/holdfast-secure-${process.pid}`;
  onTestFinished(() => sandbox.files.remove(path));
  await sandbox.files.write(path, "secret");
  expect(await sandbox.files.read(path)).toBe("secret");
  expect((await fetch(`${agent.url}/files?path=${path}`)).status).toBe(401);
  const url = await sandbox.downloadUrl(path, { useSignatureExpiration: 60 });
  expect(await (await fetch(url)).text()).toBe("secret");

  // As a browser uploads a form, without the token.
  const form = new FormData();
  form.append("file", new Blob(["from a form"]), "ignored");
  const uploadUrl = await sandbox.uploadUrl(path, { useSignatureExpiration: 60 });
  expect((await fetch(uploadUrl, { method: "POST", body: form })).status).toBe(200);
  expect(await sandbox.files.read(path)).toBe("from a form");

  const expired = await sandbox.downloadUrl(path, { useSignatureExpiration: -1 });
  const refused = [
    expired,
    // Of another file, for the other direction, and with another signature.
    url.replace(encodeURIComponent(path), encodeURIComponent("/etc/passwd")),
    uploadUrl,
    url.replace(/signature=[^&]*/, "signature=v1_wrong"),
  ];
  for (const one of refused) expect([one, (await fetch(one)).status]).toEqual([one, 401]);
});
