// Upgrades of a running agent, in tests.

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../proc/proc.ts";
import { createTempFolder } from "../temp-folder.ts";
import { cliPath } from "./agent.ts";

export interface UpgradeAnswer {
  readonly status: number;
  readonly body: string;
}

export interface UpgradeStatus {
  readonly version: string;
  readonly upgrades: number;
  readonly isUnderWay: boolean;
  readonly failure?: { readonly message: string };
}

interface Reachable {
  readonly url: string;
  stderr?(): string;
}

/** Resolves when the agent has answered, which is before it becomes the next version. */
export async function requestUpgrade(
  url: string,
  body?: string,
  headers?: Record<string, string>,
): Promise<UpgradeAnswer> {
  const response = await fetch(`${url}/upgrade`, {
    method: "POST",
    ...(body === undefined ? {} : { body }),
    ...(headers && { headers }),
  });
  return { status: response.status, body: await response.text() };
}

export async function upgradeStatus(url: string, headers?: Record<string, string>): Promise<UpgradeStatus> {
  const response = await fetch(`${url}/upgrade`, headers && { headers });
  return (await response.json()) as UpgradeStatus;
}

/** Upgrades the agent, and resolves when the next image serves. */
export async function upgrade(
  agent: Reachable,
  to?: string,
  headers?: Record<string, string>,
): Promise<void> {
  const { upgrades } = await upgradeStatus(agent.url, headers);
  const answer = await requestUpgrade(agent.url, to && JSON.stringify({ to }), headers);
  if (answer.status !== 202) throw new Error(`${answer.status}: ${answer.body}`);
  let last: unknown;
  await eventually(
    "upgraded",
    async () => {
      const status = await upgradeStatus(agent.url, headers);
      last = status;
      if (status.upgrades === upgrades + 1) return true;
      if (!status.isUnderWay) throw new Error(status.failure?.message ?? "no upgrade is under way");
      return false;
    },
    () => `${JSON.stringify(last)}\n${agent.stderr?.() ?? ""}`,
  );
}

/**
 * A next version that runs `code` first: after the exec, and in the rehearsal also if it is to fail there. It is the
 * present build otherwise.
 */
export function versionThat(code: string, { inRehearsal = false } = {}): string {
  const file = join(createTempFolder(), "next.cjs");
  const condition = inRehearsal ? "true" : '!process.argv.includes("--rehearse")';
  writeFileSync(
    file,
    `#!/usr/bin/env node\nif (${condition}) {\n${code}\n}\nrequire(${JSON.stringify(cliPath)});\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

/** Resolves when the agent holds so much for clients: output and waiting input. */
export async function untilHeld({ url, stderr }: Reachable, bytes: number): Promise<void> {
  await eventually(
    `${bytes} bytes are held`,
    async () => {
      const text = await (await fetch(`${url}/metrics/prometheus`)).text();
      return Number(/^holdfast_held_bytes (\d+)/m.exec(text)?.[1]) >= bytes;
    },
    () => stderr?.() ?? "",
  );
}
