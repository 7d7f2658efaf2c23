// Signed URLs: requests for files without a token, and pages of foreign origins that use them.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { FILE_ACCESS_MODES } from "../../support/agent/file-agent.ts";
import { callFiles, messageIn } from "../../support/clients/file-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const TOKEN = "open-sesame";
  const PAGE = "https://page.example";
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--file-access", mode], env: { HOLDFAST_ACCESS_TOKEN: TOKEN } });
  });
  afterAll(() => agent.stop());

  interface Signing {
    readonly path?: string;
    readonly operation?: "read" | "write";
    readonly user?: string;
    readonly token?: string;
    readonly expiration?: number;
  }

  function signature({
    path = "",
    operation = "read",
    user = "",
    token = TOKEN,
    expiration,
  }: Signing): string {
    const text = [path, operation, user, token, ...(expiration === undefined ? [] : [expiration])].join(":");
    return `v1_${createHash("sha256").update(text).digest("base64").replace(/=+$/, "")}`;
  }

  function file(): string {
    const path = join(createTempFolder(), "file");
    writeFileSync(path, "content");
    return path;
  }

  const soon = () => Math.floor(Date.now() / 1000) + 60;

  const get = (query: Record<string, string>, headers: Record<string, string> = {}, method = "GET") =>
    callFiles(agent.port, { method, query, headers });

  describe("a request without a token", () => {
    test("and without a signature is 401, and says what is missing", async () => {
      const answer = await get({ path: file() });
      expect([answer.status, messageIn(answer)]).toEqual([401, expect.stringContaining("no signature")]);
    });

    test("reads with a signature for reading, and HEAD is reading", async () => {
      const path = file();
      expect((await get({ path, signature: signature({ path }) })).body.toString()).toBe("content");
      expect((await get({ path, signature: signature({ path }) }, {}, "HEAD")).status).toBe(200);
    });

    test("writes with a signature for writing", async () => {
      const path = file();
      const query = { path, signature: signature({ path, operation: "write" }) };
      const headers = { "content-type": "application/octet-stream" };
      const answer = await callFiles(agent.port, { method: "POST", query, headers, body: "new" });
      expect([answer.status, readFileSync(path, "utf8")]).toEqual([200, "new"]);
    });

    test("may have its parameters in any order", async () => {
      const path = file();
      const expiration = soon();
      const signed = encodeURIComponent(signature({ path, user: "root", expiration }));
      const url = `/files?signature_expiration=${expiration}&signature=${signed}&path=${path}&username=root`;
      expect((await callFiles(agent.port, { path: url })).status).toBe(200);
    });

    test("for a form without a path has the signature of an empty path", async () => {
      const query = { signature: signature({ operation: "write" }) };
      const headers = { "content-type": "multipart/form-data; boundary=b" };
      const answer = await callFiles(agent.port, { method: "POST", query, headers, body: "--b--\r\n" });
      expect([answer.status, answer.body.toString().trim()]).toEqual([200, "[]"]);
    });

    test("that has expired is 401, in the words that clients compare", async () => {
      const path = file();
      const answer = await get({
        path,
        signature: signature({ path, expiration: 1000 }),
        signature_expiration: "1000",
      });
      expect([answer.status, messageIn(answer)]).toEqual([401, "signature is already expired"]);
    });

    test.each([
      ["of another path", { path: "/etc/hostname" }],
      ["for writing", { operation: "write" }],
      ["of another user", { user: "nobody" }],
      ["made with another token", { token: "guess" }],
      ["with an expiration that the URL does not have", { expiration: 99_999_999_999 }],
    ] as const)("with a signature %s is 401", async (_, other) => {
      const path = file();
      const answer = await get({ path, signature: signature({ path, ...other }) });
      expect([answer.status, messageIn(answer)]).toEqual([401, "invalid signature"]);
    });

    test("whose expiration was moved is 401", async () => {
      const path = file();
      const answer = await get({
        path,
        signature: signature({ path, expiration: soon() }),
        signature_expiration: String(soon() + 1000),
      });
      expect([answer.status, messageIn(answer)]).toEqual([401, "invalid signature"]);
    });

    test("with an expiration that is not a number, or with two paths, is 400", async () => {
      const path = file();
      const signed = signature({ path });
      expect((await get({ path, signature: signed, signature_expiration: "soon" })).status).toBe(400);
      const url = `/files?path=${path}&path=/etc/shadow&signature=${encodeURIComponent(signed)}`;
      expect((await callFiles(agent.port, { path: url })).status).toBe(400);
    });

    test("but with a wrong token is 401 in spite of a right signature", async () => {
      const path = file();
      const answer = await get({ path, signature: signature({ path }) }, { "x-access-token": "wrong" });
      expect([answer.status, messageIn(answer)]).toEqual([401, "wrong access token"]);
    });
  });

  test("the token alone is enough", async () => {
    expect((await get({ path: file() }, { "x-access-token": TOKEN })).status).toBe(200);
  });

  test("a signature opens nothing but /files", async () => {
    const signed = signature({ operation: "write" });
    for (const path of ["/files/compose", "/init", "/process.Process/List"]) {
      const answer = await callFiles(agent.port, {
        method: "POST",
        path,
        query: { signature: signed },
        body: "{}",
      });
      expect([path, answer.status]).toEqual([path, 401]);
    }
    expect((await callFiles(agent.port, { path: "/envs", query: { signature: signature({}) } })).status).toBe(
      401,
    );
  });

  describe("a page of a foreign origin", () => {
    const origin = { origin: PAGE };

    test("reads and writes with a signed URL, and may read the headers of the answer", async () => {
      const path = file();
      const answer = await get({ path, signature: signature({ path }) }, origin);
      expect(answer.status).toBe(200);
      expect(answer.headers["access-control-allow-origin"]).toBe(PAGE);
      for (const name of ["Content-Length", "Content-Range", "Content-Disposition", "ETag"])
        expect(answer.headers["access-control-expose-headers"]).toContain(name);
    });

    test("gets an answer to its preflight only with a right signature", async () => {
      const path = file();
      const preflight = (signed: string, method: string) =>
        callFiles(agent.port, {
          method: "OPTIONS",
          query: { path, signature: signed },
          headers: {
            ...origin,
            "access-control-request-method": method,
            "access-control-request-headers": "content-type,x-metadata-a",
          },
        });
      const right = await preflight(signature({ path, operation: "write" }), "POST");
      expect([right.status, right.headers["access-control-allow-headers"]]).toEqual([
        204,
        "content-type,x-metadata-a",
      ]);
      expect(right.headers["access-control-allow-methods"]).toBe("GET, HEAD, POST");
      expect((await preflight(signature({ path, operation: "read" }), "POST")).status).toBe(401);
      expect((await preflight(signature({ path, operation: "read" }), "DELETE")).status).toBe(403);
    });

    test.each([
      ["without a signature", {}, 403],
      ["with a wrong signature", { signature: "v1_x" }, 401],
    ])("%s gets no permission", async (_, query, status) => {
      const answer = await get({ path: file(), ...query }, origin);
      expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([status, undefined]);
    });

    test("gets nothing else by a signature", async () => {
      const answer = await callFiles(agent.port, {
        path: "/envs",
        query: { signature: signature({}) },
        headers: origin,
      });
      expect(answer.status).toBe(403);
    });
  });

  test("without a token of the agent, a signature does not let foreign origins in", async () => {
    const open = await startAgent({ args: ["--file-access", mode] });
    const path = file();
    const query = { path, signature: signature({ path, token: "" }) };
    const answer = await callFiles(open.port, { query, headers: { origin: PAGE } });
    expect(answer.status).toBe(403);
    expect((await callFiles(open.port, { query })).status).toBe(200);
  });
});
