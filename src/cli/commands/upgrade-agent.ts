// Runs `holdfast upgrade`: asks the agent, and waits until it is the next version.

import { startTimer } from "../../clock.ts";
import { AgentEndpoint, type EndpointAnswer } from "../connect/agent-endpoint.ts";
import { withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";

/** As commander names the values of the flags. */
export interface UpgradeFlags extends UrlFlag {
  readonly to?: string;
  readonly json: boolean;
}

/** The body of GET /upgrade. */
interface UpgradeStatus {
  readonly version: string;
  readonly upgrades: number;
  readonly isUnderWay: boolean;
  readonly failure?: { readonly message: string };
}

/** The rehearsal of the next version has ended before: from here on it takes less than a second. */
const BECOMING_MS = 30_000;
const LOOK_MS = 50;

/** Resolves with the exit code. */
export function upgradeAgent({ url, to, json }: UpgradeFlags): Promise<number> {
  return withClient({ url, failureCode: () => exitCodes.failed }, async () => {
    const endpoint = new AgentEndpoint("/upgrade");
    try {
      const before = statusIn(await endpoint.get());
      statusIn(await endpoint.post(to === undefined ? undefined : { to }));
      const after = await untilUpgraded(endpoint, before.upgrades);
      const text = json
        ? JSON.stringify({ from: before.version, to: after.version })
        : `upgraded from ${before.version} to ${after.version}`;
      await writeOut(process.stdout, `${text}\n`);
      return exitCodes.done;
    } finally {
      endpoint.close();
    }
  });
}

async function untilUpgraded(endpoint: AgentEndpoint, before: number): Promise<UpgradeStatus> {
  const deadlineMs = performance.now() + BECOMING_MS;
  for (;;) {
    const status = await look(endpoint, performance.now() >= deadlineMs);
    if (status !== undefined && status.upgrades > before) return status;
    if (status !== undefined && !status.isUnderWay)
      throw new Error(
        `the agent could not upgrade and continues: ${status.failure?.message ?? "no reason given"}`,
      );
    await new Promise<void>((resolve) => void startTimer(LOOK_MS, resolve));
  }
}

/** Connections with TLS end with the upgrade, so a lost one is not a failure. */
async function look(endpoint: AgentEndpoint, isLast: boolean): Promise<UpgradeStatus | undefined> {
  try {
    return statusIn(await endpoint.get());
  } catch (error) {
    if (isLast) throw error;
    return undefined;
  }
}

function statusIn({ status, body }: EndpointAnswer): UpgradeStatus {
  if (status === 404) throw new Error("this agent cannot upgrade itself: it is older than this command");
  const answer = parsed(body);
  if (status < 300 && typeof answer["upgrades"] === "number") return answer as unknown as UpgradeStatus;
  throw new Error(typeof answer["message"] === "string" ? answer["message"] : `the agent answered ${status}`);
}

function parsed(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
