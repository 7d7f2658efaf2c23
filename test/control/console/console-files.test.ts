// The console's files over real HTTP, from a folder as the build writes it.

import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { ConsoleFiles } from "../../../src/control/console/console-files.ts";
import { assetSource, folderSource, isFileName } from "../../../src/control/console/file-source.ts";
import { HoldfastError } from "../../../src/errors.ts";
import { rawCall } from "../../support/clients/raw-http.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const PAGE =
  '<!doctype html><meta name="nonce" content="HOLDFAST_NONCE"><script src="assets/main-1a2b.js"></script>';
const SCRIPT = "console.log('hello');\n".repeat(20_000);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const manifest = {
  files: [
    { path: "index.html", type: "text/html; charset=utf-8", sha256: sha256(PAGE) },
    {
      path: "assets/main-1a2b.js",
      type: "text/javascript; charset=utf-8",
      sha256: sha256(SCRIPT),
      encodings: ["br", "gzip"],
    },
    { path: "licences.txt", type: "text/plain; charset=utf-8", sha256: sha256("MIT"), immutable: false },
  ],
};

const contents: Readonly<Record<string, string | Buffer>> = {
  "manifest.json": JSON.stringify(manifest),
  "index.html": PAGE,
  "assets/main-1a2b.js": SCRIPT,
  "assets/main-1a2b.js.br": brotliCompressSync(SCRIPT),
  "assets/main-1a2b.js.gz": gzipSync(SCRIPT),
  "licences.txt": "MIT",
  "secret.txt": "not in the manifest",
};

function consoleFolder(): string {
  const folder = createTempFolder();
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const sources = {
  "a folder": () => folderSource(consoleFolder()),
  assets: () =>
    assetSource((name) => {
      const content = contents[name];
      return content === undefined ? undefined : new Uint8Array(Buffer.from(content)).buffer;
    }),
};

async function serve(source = sources["a folder"](), frameAncestors: readonly string[] = []) {
  const logged: unknown[] = [];
  const log = (_fields: object, message: string) => void logged.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const files = new ConsoleFiles({ source, frameAncestors, idleMs: 10_000, logger });
  const server = createServer((request, response) => {
    files.answer(request, response).catch((error: unknown) => {
      response.writeHead(error instanceof HoldfastError && error.code === "not_found" ? 404 : 500);
      response.end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const get = (path: string, headers: Record<string, string> = {}) =>
    rawCall(port, { method: "GET", path, headers });
  return { get, url: `http://127.0.0.1:${port}` };
}

test.each(Object.keys(sources) as (keyof typeof sources)[])(
  "each form of a file is sent as it lies in %s, with its own ETag and the same length as announced",
  async (name) => {
    const { get } = await serve(sources[name]());
    const plain = await get("/console/assets/main-1a2b.js");
    const brotli = await get("/console/assets/main-1a2b.js", { "accept-encoding": "gzip, deflate, br" });
    const gzip = await get("/console/assets/main-1a2b.js", { "accept-encoding": "gzip, br;q=0" });
    expect(plain.body.toString()).toBe(SCRIPT);
    expect(brotliDecompressSync(brotli.body).toString()).toBe(SCRIPT);
    expect(gunzipSync(gzip.body).toString()).toBe(SCRIPT);
    expect([plain, brotli, gzip].map(({ headers }) => headers.get("content-encoding"))).toEqual([
      undefined,
      "br",
      "gzip",
    ]);
    const tags = [plain, brotli, gzip].map(({ headers }) => headers.get("etag"));
    expect(new Set(tags).size).toBe(3);
    for (const tag of tags) expect(tag).toMatch(/^"[\w-]+"$/);
    for (const { status, headers, body } of [plain, brotli, gzip]) {
      expect(status).toBe(200);
      expect(headers.get("content-length")).toBe(String(body.length));
      expect(headers.get("content-type")).toBe("text/javascript; charset=utf-8");
      expect(headers.get("vary")).toBe("Accept-Encoding");
      expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
  },
);

test("HEAD has the headers of GET and no body, and a known ETag is answered with 304", async () => {
  const { get, url } = await serve();
  for (const path of ["/console/assets/main-1a2b.js", "/console/licences.txt", "/console/"]) {
    const got = await get(path);
    const head = await fetch(url + path, { method: "HEAD", headers: { "Accept-Encoding": "identity" } });
    expect(head.status).toBe(200);
    expect((await head.arrayBuffer()).byteLength).toBe(0);
    for (const name of ["content-length", "content-type", "cache-control", "x-content-type-options"])
      expect(head.headers.get(name)).toBe(got.headers.get(name) ?? null);
    const tag = got.headers.get("etag") ?? "";
    const known = await get(path, { "if-none-match": `"other", ${tag}` });
    expect({ status: known.status, bytes: known.body.length }).toEqual({ status: 304, bytes: 0 });
    expect(known.headers.get("etag")).toBe(tag);
    expect((await get(path, { "if-none-match": '"other"' })).status).toBe(200);
  }
});

test("a file without a hash in its name is asked for each time", async () => {
  const { get } = await serve();
  expect((await get("/console/licences.txt")).headers.get("cache-control")).toBe("no-cache");
});

test("the page has a new nonce each time, in the policy and in the text; a page that is kept keeps its nonce", async () => {
  const { get } = await serve();
  const nonceOf = (policy = "") => /style-src 'self' 'nonce-([\w-]{22})'/.exec(policy)?.[1];
  const [first, second] = [await get("/console/"), await get("/console/index.html")];
  const [a, b] = [first, second].map(({ headers }) => nonceOf(headers.get("content-security-policy")));
  expect(a).not.toBe(b);
  expect(first.body.toString()).toBe(PAGE.replace("HOLDFAST_NONCE", a ?? ""));
  expect(second.body.toString()).toBe(PAGE.replace("HOLDFAST_NONCE", b ?? ""));
  expect(first.headers.get("cache-control")).toBe("no-cache");
  const kept = await get("/console/", { "if-none-match": first.headers.get("etag") ?? "" });
  expect(kept.status).toBe(304);
  expect(nonceOf(kept.headers.get("content-security-policy"))).toBe(a);
  const injected = await get("/console/", {
    "if-none-match": `"${sha256(PAGE).slice(0, 32)}.x' 'unsafe-inline"`,
  });
  expect(injected.status).toBe(200);
  expect(injected.headers.get("content-security-policy")).not.toContain("'unsafe-inline' 'unsafe");
});

test("every answer has all the headers that protect the page", async () => {
  const { get } = await serve();
  for (const path of ["/console/", "/console/assets/main-1a2b.js", "/console/licences.txt"]) {
    const { headers } = await get(path);
    const policy = headers.get("content-security-policy") ?? "";
    for (const directive of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src-attr 'unsafe-inline'",
      "img-src 'self' data: blob:",
      "font-src 'self'",
      "connect-src 'self'",
      "worker-src 'self'",
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ])
      expect(policy.split("; ")).toContain(directive);
    expect(policy).toMatch(/; style-src 'self'(?: 'nonce-[\w-]{22}')?;/);
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    const permissions = headers.get("permissions-policy") ?? "";
    expect(permissions).toContain("camera=()");
    expect(permissions.split(", ").filter((entry) => !entry.endsWith("=()"))).toEqual([
      "clipboard-write=(self)",
    ]);
  }
});

test("origins that may frame the console replace the ban on frames", async () => {
  const { get } = await serve(undefined, ["https://app.example.com", "https://b.example.com:8443"]);
  const { headers } = await get("/console/");
  expect(headers.get("content-security-policy")).toContain(
    "; frame-ancestors https://app.example.com https://b.example.com:8443;",
  );
  expect(headers.get("x-frame-options")).toBeUndefined();
});

test("only files of the manifest are served, under exactly their names", async () => {
  const { get } = await serve();
  for (const path of [
    "/console/secret.txt",
    "/console/manifest.json",
    "/console/assets/main-1a2b.js.br",
    "/console/assets/",
    "/console/../console/licences.txt",
    "/console/%2e%2e/licences.txt",
    "/console/./licences.txt",
    "/console//licences.txt",
    "/console/INDEX.HTML",
    "/console/__proto__",
    "/console/index.html/",
  ])
    expect({ path, status: (await get(path)).status }).toEqual({ path, status: 404 });
  const moved = await get("/console");
  expect([moved.status, moved.headers.get("location")]).toEqual([308, "console/"]);
  for (const name of ["..", "a/../b", "/etc/passwd", "a//b", "", ".hidden", "a\0b", "x".repeat(201)])
    expect(isFileName(name)).toBe(false);
});

test("an installation without the console says what is missing, and serves it once it is there", async () => {
  const folder = createTempFolder();
  const { get } = await serve(folderSource(folder));
  const missing = await get("/console/");
  expect(missing.status).toBe(404);
  expect(missing.body.toString()).toContain("npm run build writes it");
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "index.html"), PAGE);
  expect((await get("/console/")).status).toBe(200);
  rmSync(join(folder, "index.html"));
  expect((await get("/console/")).status).toBe(404);
});
