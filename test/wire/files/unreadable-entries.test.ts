// Some entries of a directory cannot be read while it is downloaded. The archive contains the others, and the client learns which
// ones are missing or incomplete, and why.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const MB = 1024 * 1024;
/** More than the buffers of a connection hold: the agent stops in the middle of it. */
const LARGE_BYTES = 64 * MB;

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode] });
  });
  afterAll(() => agent.stop());

  const skippedIn = (trailers: NodeJS.Dict<string>): unknown[] =>
    JSON.parse(decodeURIComponent(trailers["x-archive-skipped-entries"] ?? ""));
  const namesIn = (archive: Buffer) =>
    execFileSync("tar", ["--list"], { input: archive }).toString().trim().split("\n");

  test.runIf(mode === "user")("files and directories that the user may not read are named", async () => {
    const root = createTempFolder();
    chmodSync(root, 0o755);
    mkdirSync(join(root, "d-locked/below"), { recursive: true });
    mkdirSync(join(root, "e"));
    for (const name of ["a", "b-secret", "c", "d-locked/f", "e/g-secret", "e/h"])
      writeFileSync(join(root, name), name);
    // More than is read at once.
    writeFileSync(join(root, "i-secret"), Buffer.alloc(300_000));
    for (const name of ["b-secret", "d-locked", "e/g-secret", "i-secret"]) chmodSync(join(root, name), 0o600);
    const { status, body, trailers } = await callFiles(agent.port, {
      query: { path: root, format: "tar", username: "nobody" },
    });
    expect([status, namesIn(body)]).toEqual([200, ["./", "a", "c", "e/", "e/h"]]);
    expect(trailers).toMatchObject({ "x-archive-files": "3", "x-archive-skipped": "4" });
    const reason = "permission denied (EACCES)";
    expect(skippedIn(trailers)).toEqual(
      ["b-secret", "d-locked", "e/g-secret", "i-secret"].map((name) => ({ name, reason })),
    );
  });

  test("sockets and FIFOs are listed with their kind, and entries whose names are not UTF-8 with that reason", async () => {
    const root = createTempFolder();
    execFileSync("mkfifo", [join(root, "fifo")]);
    const server = createServer().listen(join(root, "socket"));
    await once(server, "listening");
    writeFileSync(Buffer.from(`${root}/name-\xff`, "latin1"), "");
    symlinkSync(Buffer.from("to-\xff", "latin1"), join(root, "link"));
    const { trailers } = await callFiles(agent.port, { query: { path: root, format: "tar" } });
    server.close();
    expect(skippedIn(trailers)).toEqual([
      { name: "fifo", reason: "it is a FIFO" },
      { name: "link", reason: "the target of the link is not UTF-8" },
      { name: "name-\ufffd", reason: "its name is not UTF-8" },
      { name: "socket", reason: "it is a socket" },
    ]);
  });

  test("an entry that the request excludes is not named", async () => {
    const root = createTempFolder();
    execFileSync("mkfifo", [join(root, "fifo")]);
    const { trailers } = await callFiles(agent.port, {
      query: { path: root, format: "tar", exclude: "fifo" },
    });
    expect([trailers["x-archive-skipped"], skippedIn(trailers)]).toEqual(["0", []]);
  });

  test("thousands of them are counted, and as many are named as fit into a trailer", async () => {
    const root = createTempFolder();
    const names = Array.from({ length: 3_000 }, (_, n) => `${n}-${"ü".repeat(100)}`);
    execFileSync("xargs", ["mkfifo"], { cwd: root, input: names.join("\n") });
    const { trailers } = await callFiles(agent.port, { query: { path: root, format: "tar" } });
    expect(trailers["x-archive-skipped"]).toBe("3000");
    expect(skippedIn(trailers).length).toBeGreaterThan(5);
    expect(trailers["x-archive-skipped-entries"]?.length).toBeLessThanOrEqual(8192);
  });

  /** Downloads `root` and calls `change` while the agent waits in the middle of a large file. */
  async function downloadDuring(root: string, change: () => void) {
    const request = get({ port: agent.port, path: `/files?path=${root}&format=tar` });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of response) {
      pieces.push(piece);
      // Of the large file, whose rest does not fit into the buffers of the connection.
      if (bytes < MB && bytes + piece.length >= MB) change();
      bytes += piece.length;
    }
    return { archive: Buffer.concat(pieces), trailers: response.trailers };
  }

  test("a file that vanishes or becomes shorter during the download is named, and the archive contains the others", async () => {
    const root = createTempFolder();
    writeFileSync(join(root, "a"), Buffer.alloc(LARGE_BYTES, 1));
    mkdirSync(join(root, "b"));
    for (const name of ["c", "d"]) writeFileSync(join(root, name), name);
    const { archive, trailers } = await downloadDuring(root, () => {
      truncateSync(join(root, "a"), 32 * 1024);
      rmSync(join(root, "b"), { recursive: true });
      rmSync(join(root, "c"));
    });
    expect(namesIn(archive)).toEqual(["./", "a", "d"]);
    expect(trailers).toMatchObject({ "x-archive-files": "2", "x-archive-skipped": "3" });
    expect(skippedIn(trailers)).toEqual([
      { name: "a", reason: "it became shorter while it was read; the rest is zeros in the copy" },
      { name: "b", reason: "it was removed or replaced meanwhile" },
      { name: "c", reason: "it was removed or replaced meanwhile" },
    ]);
  });
});
