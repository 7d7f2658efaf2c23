// From one build to another and back, while a stream is open: the other build has another version, and writes a state with
// fields that this one does not know.

import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { expectEcho, startEcho } from "../support/agent/echo.ts";
import { upgrade, upgradeStatus } from "../support/agent/upgrade.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(90_000, 1_800_000) });

const LATER = "99.1.0";

/** The `main.cjs` of a copy of the build. */
function laterBuild(): string {
  const dist = dirname(dirname(cliPath));
  const root = createTempFolder();
  cpSync(dist, join(root, "dist"), { recursive: true });
  symlinkSync(join(dist, "../node_modules"), join(root, "node_modules"));
  const manifest = JSON.parse(readFileSync(join(dist, "../package.json"), "utf8")) as object;
  writeFileSync(join(root, "package.json"), JSON.stringify({ ...manifest, version: LATER }));
  addFields(join(root, "dist/bundle"));
  return join(root, "dist/cli/main.cjs");
}

/** To the state, in several places: text, numbers, and contents behind the header. */
function addFields(bundle: string): void {
  const counted = "upgrades: upgrades + 1,";
  const newer =
    'newer: { text: "x", list: [{ numbers: new Uint32Array([1, 2]) }], content: Buffer.from("later") },';
  const parting = "used: usedSilent,";
  let changes = 0;
  for (const name of readdirSync(bundle).filter((file) => file.endsWith(".cjs"))) {
    const text = readFileSync(join(bundle, name), "latin1");
    const changed = text.replace(counted, `${counted} ${newer}`).replace(parting, `${parting} ${newer}`);
    if (changed === text) continue;
    changes++;
    // The compiled form is stored by the hash in front of the text.
    writeFileSync(join(bundle, name), changed.replace(/^\/\*\w{8}/, "/*00000000"), "latin1");
  }
  expect(changes).toBe(2);
}

test("an agent becomes a later build and the earlier one again, with its stream and both versions", async () => {
  const agent = await startAgent();
  const echo = await startEcho(agent);
  const { version } = await upgradeStatus(agent.url);
  const later = laterBuild();
  for (let count = 1; count <= 2; count++) {
    await upgrade(agent, later);
    expect(await upgradeStatus(agent.url)).toMatchObject({ version: LATER, upgrades: 2 * count - 1 });
    await expectEcho(agent, echo, `later ${count}\n`);
    await upgrade(agent, cliPath);
    expect(await upgradeStatus(agent.url)).toMatchObject({ version, upgrades: 2 * count });
    await expectEcho(agent, echo, `earlier ${count}\n`);
  }
  expect(agent.stderr()).toMatch(new RegExp(`"from":"${LATER}".*"msg":"upgraded"`));
});
