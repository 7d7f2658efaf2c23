// Listening on an address that other machines can reach, and the messages about a wrong configuration.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand, startAgent } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const serve = async (args: readonly string[], env = {}) => {
  const command = runCommand({ args: ["serve", "--port", "0", ...args], env });
  return { exit: await command.exited(), stdout: command.stdout(), stderr: command.stderr() };
};

test.each(["0.0.0.0", "::"])("--host %s without a token is one line and exit code 1", async (host) => {
  const { exit, stdout, stderr } = await serve(["--host", host]);
  expect({ exit, stdout }).toEqual({ exit: { code: 1, signal: null }, stdout: "" });
  expect(stderr).toMatch(/^holdfast: cannot start: .* no access token is set: .*--access-token-file.*\n$/);
});

test("the value no of the variable of --allow-unauthenticated counts", async () => {
  const { exit } = await serve(["--host", "0.0.0.0"], { HOLDFAST_ALLOW_UNAUTHENTICATED: "false" });
  expect(exit.code).toBe(1);
});

test.each([
  ["a token", [], { HOLDFAST_ACCESS_TOKEN: "secret" }],
  ["--allow-unauthenticated", ["--allow-unauthenticated"], {}],
  ["its variable", [], { HOLDFAST_ALLOW_UNAUTHENTICATED: "yes" }],
])("with %s the agent listens on every address", async (_, args, env) => {
  const agent = await startAgent({ args: ["--host", "0.0.0.0", ...args], env });
  expect((await fetch(`http://127.0.0.1:${agent.port}/health`)).status).toBe(204);
});

test("--allow-origin * without a token is refused", async () => {
  const { exit, stderr } = await serve(["--allow-origin", "*"]);
  expect({ code: exit.code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("every web page") });
});

test("a token that does not fit into a header, or a missing file, is one line that does not show the token", async () => {
  const file = join(createTempFolder(), "token");
  writeFileSync(file, "two words\n");
  for (const [args, env] of [
    [["--access-token-file", file], {}],
    [["--access-token-file", `${file}.missing`], {}],
    [[], { HOLDFAST_ACCESS_TOKEN: "two words" }],
    [["--tls-cert", file], {}],
    [["--tls-cert", file, "--tls-key", `${file}.missing`], {}],
  ] as const) {
    const { exit, stderr } = await serve(args, env);
    expect(exit.code).toBe(2);
    expect(stderr).toMatch(/^holdfast: .*\n$/);
    expect(stderr).not.toContain("two words");
  }
});

test("files that are not a certificate and a key are one line and exit code 1", async () => {
  const file = join(createTempFolder(), "cert.pem");
  writeFileSync(file, "nonsense\n");
  const { exit, stderr } = await serve(["--tls-cert", file, "--tls-key", file]);
  expect({ code: exit.code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /^holdfast: cannot start: --tls-cert and --tls-key are not a certificate .*\n$/,
    ),
  });
});

const SECRET = "a-secret-of-16-or-more";

test("the commands find the token in their variables", async () => {
  const agent = await startAgent({ env: { HOLDFAST_ACCESS_TOKEN: SECRET } });
  const file = join(createTempFolder(), "token");
  writeFileSync(file, `${SECRET}\n`, { mode: 0o600 });
  const run = async (env: Record<string, string>) => {
    const command = runCommand({
      args: ["run", "--", "echo", "hi"],
      env: { HOLDFAST_URL: agent.url, ...env },
    });
    const { code } = await command.exited();
    return { code, stdout: command.stdout(), stderr: command.stderr() };
  };
  const ran = { code: 0, stdout: "hi\n", stderr: "" };
  expect(await run({ HOLDFAST_ACCESS_TOKEN: SECRET })).toEqual(ran);
  expect(await run({ HOLDFAST_ACCESS_TOKEN_FILE: file })).toEqual(ran);
  expect(await run({})).toMatchObject({
    code: 125,
    stdout: "",
    stderr: expect.stringContaining("HOLDFAST_ACCESS_TOKEN_FILE"),
  });
  expect(await run({ HOLDFAST_ACCESS_TOKEN: "two words" })).toMatchObject({
    code: 125,
    stderr: expect.stringMatching(/^holdfast: the variable HOLDFAST_ACCESS_TOKEN is invalid\. .*\n$/),
  });
});
