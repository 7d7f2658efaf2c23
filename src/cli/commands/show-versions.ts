// Runs `holdfast version`.

import type { AgentInfo } from "../../client/index.ts";
import { ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { version } from "../version.ts";
import { age } from "./process-rows.ts";

/** As commander names the values of the flags. */
export interface VersionFlags extends UrlFlag {
  readonly client?: boolean;
  readonly json?: boolean;
}

/** Resolves with the exit code. Prints this command's version in any case. */
export async function showVersions({ url, client = false, json = false }: VersionFlags): Promise<number> {
  let agent: AgentInfo | undefined;
  let isThere = false;
  const code = client
    ? exitCodes.done
    : await withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async (agents) => {
        agent = await agents.agent();
        isThere = true;
        return exitCodes.done;
      });
  const text = json ? toJson(url, isThere, agent) : toLines(url, isThere, agent);
  await writeOut(process.stdout, text);
  return code;
}

function toLines(url: string, isThere: boolean, agent: AgentInfo | undefined): string {
  const own = `client  ${version()} (Node ${process.versions.node})\n`;
  if (!isThere) return own;
  if (agent === undefined) return `${own}agent   older than this command, or not holdfast, at ${url}\n`;
  return `${own}agent   ${agent.version} at ${url}, for ${age(agent.now.getTime() - agent.startedAt.getTime())}\n`;
}

function toJson(url: string, isThere: boolean, agent: AgentInfo | undefined): string {
  const described = {
    url,
    version: agent?.version ?? null,
    started_at: agent?.startedAt.toISOString() ?? null,
    now: agent?.now.toISOString() ?? null,
  };
  const client = { version: version(), node: process.versions.node };
  return `${JSON.stringify({ client, agent: isThere ? described : null })}\n`;
}
