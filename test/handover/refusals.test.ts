// Failures of an upgrade, and the agent after them.

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { cliPath, runCommand, startAgent } from "../support/agent/agent.ts";
import { expectEcho, startEcho } from "../support/agent/echo.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestUpgrade, upgrade, upgradeStatus, versionThat } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { eventually, hasExited } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

vi.setConfig({ testTimeout: 60_000 });

function fileWith(text: string, mode = 0o755): string {
  const file = join(createTempFolder(), "next.cjs");
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const THROWS = "#!/usr/bin/env node\nthrow new Error('made to fail');\n";

test.each([
  { what: "a file that does not exist", to: () => "/nonexistent/holdfast", status: 409, says: /ENOENT/ },
  { what: "a relative path", to: () => "holdfast", status: 400, says: /absolute path/ },
  { what: "a directory", to: () => "/tmp", status: 409, says: /is not a file/ },
  { what: "a text", to: () => fileWith("hello"), status: 409, says: /neither an executable nor a script/ },
  {
    what: "a file that others can write",
    to: () => fileWith(THROWS, 0o777),
    status: 409,
    says: /chmod go-w/,
  },
  { what: "a version that throws", to: () => fileWith(THROWS), status: 409, says: /made to fail/ },
  {
    what: "a version that aborts",
    to: () => fileWith("#!/usr/bin/env node\nprocess.abort();\n"),
    status: 409,
    says: /signal: aborted/,
  },
  {
    what: "a program that is not an agent",
    to: () => fileWith("#!/usr/bin/env node\n"),
    status: 409,
    says: /exit status 0/,
  },
  {
    what: "a version that does not know upgrades",
    to: () =>
      fileWith(`#!/usr/bin/env node\nprocess.argv.push("--unknown");require(${JSON.stringify(cliPath)});\n`),
    status: 409,
    says: /unknown option '--unknown'/,
  },
  {
    what: "a version that cannot restore the state",
    to: () =>
      versionThat("const p = JSON.parse; JSON.parse = (...a) => ({ ...p(...a), format: 99 });", {
        inRehearsal: true,
      }),
    status: 409,
    says: /wrote its state in format 99; this one reads 1/,
  },
  {
    what: "a version that does not know a need of the state",
    to: () =>
      versionThat('const p = JSON.parse; JSON.parse = (...a) => ({ ...p(...a), needs: ["wings"] });', {
        inRehearsal: true,
      }),
    status: 409,
    says: /needs what this one does not know: wings/,
  },
  {
    what: "a version that leaves a descriptor unclaimed",
    to: () =>
      versionThat(
        `const p = JSON.parse;
         JSON.parse = (...a) => { const v = p(...a); if (v && v.descriptors) v.descriptors.push(4321); return v; };`,
        { inRehearsal: true },
      ),
    status: 409,
    says: /descriptors that this version does not know: 4321/,
  },
])("an upgrade to $what is refused with the reason, and streams continue", async ({ to, status, says }) => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const answer = await requestUpgrade(agent.url, JSON.stringify({ to: to() }));
  expect(answer.status, answer.body).toBe(status);
  expect(answer.body).toMatch(says);
  await expectEcho(agent, echo, "still here\n");
  expect(await upgradeStatus(agent.url)).toMatchObject({ upgrades: 0, isUnderWay: false });
  await upgrade(agent);
  await expectEcho(agent, echo, "after a good one\n");
});

test.each([
  ["no JSON", "{", /not JSON/],
  ["an unknown field", '{"version":"2"}', /unknown field .{1,2}version/],
  ["a number as the path", '{"to":3}', /must be an absolute path: 3/],
] as const)("POST /upgrade with %s is a bad request", async (_, body, says) => {
  const agent = await startAgent();
  const answer = await requestUpgrade(agent.url, body);
  expect(answer.status).toBe(400);
  expect(answer.body).toMatch(says);
});

test("a version that cannot continue after the exec gives the agent back, and streams continue", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const to = versionThat(
    'require("node:net").Server.prototype.listen = () => { throw new Error("made to fail"); };',
  );
  expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
  await eventually(
    "given back",
    async () => (await upgradeStatus(agent.url)).failure !== undefined,
    agent.stderr,
  );
  expect(await upgradeStatus(agent.url)).toMatchObject({
    upgrades: 0,
    isUnderWay: false,
    failure: { message: "made to fail" },
  });
  await expectEcho(agent, echo, "given back\n");
  expect(agent.stderr()).toMatch(/the next version could not continue: this one does/);
  await upgrade(agent);
  await expectEcho(agent, echo, "upgraded\n");
});

test("a version that exits before it is ready gives the agent back", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const to = versionThat('const e = require("node:net").Server; e.prototype.listen = () => process.exit(3);');
  expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
  await eventually(
    "given back",
    async () => (await upgradeStatus(agent.url)).failure !== undefined,
    agent.stderr,
  );
  await expectEcho(agent, echo, "given back\n");
});

test("if the version before cannot continue either, the agent ends, and so do its commands", async () => {
  // The npm package was replaced in place: the version that cannot continue is executed again.
  const code = `if (process.env.HOLDFAST_STATE !== undefined)
    require("node:net").Server.prototype.listen = () => { throw new Error("made to fail"); };`;
  const agent = await startAgent({ program: [process.execPath, versionThat(code)] });
  const echo = await startEcho(agent);
  expect((await requestUpgrade(agent.url)).status).toBe(202);
  expect(await agent.exited()).toEqual({ code: 1, signal: null });
  await eventually("the command is gone", () => hasExited(echo.pid), agent.stderr);
});

test("when the next version aborts after the exec, the guard ends the commands, at last by force", async () => {
  const agent = await startAgent();
  const polite = await startEcho(agent);
  const stubborn = receive(
    plainClient(agent.url).start({
      process: { cmd: "sh", args: ["-c", "trap '' TERM; echo ready; while :; do read x; done"] },
    }),
  );
  const pid = await stubborn.started();
  await stubborn.until(() => stubborn.text("stdout") !== "");
  expect(
    (await requestUpgrade(agent.url, JSON.stringify({ to: versionThat("process.abort();") }))).status,
  ).toBe(202);
  expect((await agent.exited()).signal).toBe("SIGABRT");
  for (const one of [polite.pid, pid])
    await eventually(
      "the command is gone",
      () => hasExited(one),
      () => `${one}`,
    );
});

test("a second upgrade during one is refused", async () => {
  const agent = await startAgent();
  const to = versionThat("require('node:child_process').execSync('sleep 1');", { inRehearsal: true });
  const first = requestUpgrade(agent.url, JSON.stringify({ to }));
  await eventually("under way", async () => (await upgradeStatus(agent.url)).isUnderWay, agent.stderr);
  const second = await requestUpgrade(agent.url);
  expect(second.status).toBe(409);
  expect(second.body).toMatch(/an upgrade is under way/);
  expect((await first).status).toBe(202);
});

test("a stop during the rehearsal kills it and stops the agent", async () => {
  const agent = await startAgent();
  const marker = join(createTempFolder(), "pid");
  const hangs = `require("node:fs").writeFileSync(${JSON.stringify(marker)}, String(process.pid)); for (;;);`;
  const answer = requestUpgrade(agent.url, JSON.stringify({ to: versionThat(hangs, { inRehearsal: true }) }));
  answer.catch(() => undefined);
  const { readFileSync, existsSync } = await import("node:fs");
  await eventually(
    "the rehearsal runs",
    () => existsSync(marker) && readFileSync(marker, "utf8") !== "",
    agent.stderr,
  );
  const rehearsal = Number(readFileSync(marker, "utf8"));
  agent.kill("SIGTERM");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  await eventually("the rehearsal is gone", () => hasExited(rehearsal), agent.stderr);
});

test("a version that hangs at its start is killed after 20 s and refused", async () => {
  const agent = await startAgent({ deadlineMs: 40_000 });
  const to = versionThat("for (;;);", { inRehearsal: true });
  const answer = await requestUpgrade(agent.url, JSON.stringify({ to }));
  expect(answer.status).toBe(409);
  expect(answer.body).toMatch(/not ready within 20 s/);
});

test("holdfast upgrade says that it upgraded, or why not", async () => {
  const agent = await startAgent();
  const env = { HOLDFAST_URL: agent.url };
  const good = runCommand({ args: ["upgrade"], env });
  expect(await good.exited()).toEqual({ code: 0, signal: null });
  expect(good.stdout()).toMatch(/^upgraded from \S+ to \S+\n$/);
  const bad = runCommand({ args: ["upgrade", "--to", fileWith(THROWS)], env });
  expect(await bad.exited()).toEqual({ code: 1, signal: null });
  expect(bad.stderr()).toMatch(/^holdfast: .*made to fail/);
  const back = versionThat(
    'require("node:net").Server.prototype.listen = () => { throw new Error("no ears"); };',
  );
  const givenBack = runCommand({ args: ["upgrade", "--to", back], env });
  expect(await givenBack.exited()).toEqual({ code: 1, signal: null });
  expect(givenBack.stderr()).toMatch(/could not upgrade and continues: no ears/);
});

test("SIGUSR2 upgrades the agent", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  agent.kill("SIGUSR2");
  await eventually("upgraded", async () => (await upgradeStatus(agent.url)).upgrades === 1, agent.stderr);
  await expectEcho(agent, echo, "after a signal\n");
});
