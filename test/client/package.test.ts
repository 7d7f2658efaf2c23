// The client as `npm pack` packs it, in a folder of its own: its imports and its types.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-consumer-"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await installPackage();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const program = `
  import { type Client, ClientError, createClient, GapError, type OutputEvent, ProcessGoneError } from "holdfast/client";
  const client: Client = createClient({ baseUrl: "http://127.0.0.1:49983" });
  const process = await client.start({ cmd: "ls", pty: { cols: 80, rows: 24 } }, { onState: ({ kind }) => kind });
  for await (const event of process) {
    const place: number = event.kind === "gap" ? event.from : event.offset;
    const data: Uint8Array | undefined = event.kind === "gap" ? undefined : event.data;
  }
  const { exitCode, signal }: { exitCode: number; signal?: string } = await process.exit;
  const stored: { etag: string } = await client.files.upload("x", new Blob(["text"]), { mode: 0o600 });
  const content: Uint8Array = await client.files.read("x", { ifMatch: stored.etag });
  for await (const { kind, name } of await client.files.watch(".")) if (kind === "rescan") name.trim();
  const errors: ClientError[] = [new GapError(1, 2), new ProcessGoneError("")];
  // @ts-expect-error: no such command line
  await client.start({ command: "ls" });
  // @ts-expect-error: no such signal
  await process.signal("TERM");
`;

test.each([
  ["Node", ["--module", "nodenext"]],
  [
    "a bundler for browsers",
    ["--module", "esnext", "--moduleResolution", "bundler", "--customConditions", "browser"],
  ],
])("its types check in a strict program for %s without Node's types", async (_where, flags) => {
  await writeFile(join(folder, "program.ts"), program);
  const tsc = join(root, "node_modules/.bin/tsc");
  const strict = [
    "--strict",
    "--noEmit",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom,dom.iterable,dom.asynciterable",
    "--types",
    "",
  ];
  const { stdout } = await run(tsc, [...flags, ...strict, "program.ts"], { cwd: folder }).catch(
    (error) => error,
  );
  expect(stdout).toBe("");
});

test.each([
  ["Node", [], "createClient needs a baseUrl"],
  ["browsers", ["--conditions=browser"], `createClient needs a baseUrl ("https://sandbox.example.com")`],
])("the import resolves to the module for %s", async (_where, flags, complaint) => {
  const script = `import { createClient } from "holdfast/client"; try { createClient({}) } catch (e) { console.log(e.message) }`;
  expect(await outputOf(script, flags)).toContain(complaint);
});

test("the installed package talks to an agent, and its program ends by itself", async () => {
  const agent = await startAgent();
  const script = `
    import { createClient } from "holdfast/client";
    for (const httpVersion of ["1.1", "2"]) {
      // The client is not closed: an idle client does not keep its program running.
      const client = createClient({ baseUrl: "${agent.url}", httpVersion });
      const hello = await client.start({ cmd: "echo", args: ["hello over HTTP/" + httpVersion] });
      for await (const event of hello) console.log(new TextDecoder().decode(event.data).trim());
      console.log((await hello.exit).status);
    }`;
  expect(await outputOf(script)).toBe(
    "hello over HTTP/1.1\nexit status 0\nhello over HTTP/2\nexit status 0\n",
  );
});

test("only the client can be imported", async () => {
  const script = `await import("holdfast/dist/client/call.js").catch((error) => console.log(error.code));`;
  expect(await outputOf(script)).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED\n");
});

async function outputOf(script: string, flags: readonly string[] = []): Promise<string> {
  await writeFile(join(folder, "program.mjs"), script);
  const { stdout } = await run(process.execPath, [...flags, "program.mjs"], { cwd: folder });
  return stdout;
}

/**
 * Does the work of `npm install` without the network: the packed files, and the packages that they
 * depend on.
 */
async function installPackage(): Promise<void> {
  const modules = join(folder, "node_modules");
  const target = join(modules, "holdfast");
  await mkdir(target, { recursive: true });
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
  const [tarball = ""] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  await run("tar", ["-xzf", join(folder, tarball), "-C", target, "--strip-components=1"]);
  const manifest: { dependencies: Record<string, string> } = JSON.parse(
    await readFile(join(target, "package.json"), "utf8"),
  );
  for (const name of Object.keys(manifest.dependencies)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
}
