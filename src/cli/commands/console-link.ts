// Runs `holdfast console`.

import { ClientError } from "../../client/index.ts";
import { accessOfChosenAgent } from "../connect/chosen-agent.ts";
import { findProcess, ONE_TRY, withClient } from "../connect/with-client.ts";
import { type ProbeAnswer, probe } from "../doctor/http-probe.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { printNotice } from "../report/notices.ts";
import { writeOut } from "../report/report.ts";

/** As commander names the values of the flags. */
export interface ConsoleLinkFlags extends UrlFlag {
  readonly readOnly?: boolean;
  readonly process?: string;
  readonly json?: boolean;
}

interface Code {
  readonly code: string;
  readonly expiresInSeconds: number;
}

/** Resolves with the exit code. */
export function printConsoleLink(flags: ConsoleLinkFlags): Promise<number> {
  const { url, readOnly = false, json = false } = flags;
  return withClient({ url, reconnect: ONE_TRY, failureCode: () => exitCodes.failed }, async () => {
    if (!/^https?:/.test(url))
      throw new ClientError(
        "invalid_argument",
        `a browser cannot reach ${url}; give an http address of the agent (--url)`,
      );
    const processId = flags.process === undefined ? undefined : (await findProcess(flags.process)).processId;
    const { code, expiresInSeconds } = await askForCode(url, readOnly, processId);
    const link = linkTo(url, code, processId, readOnly);
    if (json) {
      const fields = { url: link, expires_in_seconds: expiresInSeconds, read_only: readOnly };
      await writeOut(process.stdout, `${JSON.stringify({ ...fields, process_id: processId ?? null })}\n`);
      return exitCodes.done;
    }
    await writeOut(process.stdout, `${link}\n`);
    if (process.stdout.isTTY) printNotice(`the link works once, within ${expiresInSeconds} s`);
    return exitCodes.done;
  });
}

/** The code is in the fragment, which browsers send to no server and to no other page. */
function linkTo(url: string, code: string, processId: string | undefined, readOnly: boolean): string {
  const fragment = new URLSearchParams({ code });
  if (processId !== undefined) fragment.set("process", processId);
  if (readOnly) fragment.set("mode", "watch");
  return `${url}/console/#${fragment}`;
}

async function askForCode(url: string, readOnly: boolean, processId: string | undefined): Promise<Code> {
  const { token, ca } = accessOfChosenAgent();
  const answer = await probe(url, "/console/code", {
    json: {
      scope: readOnly ? "observe" : "admin",
      ...(processId === undefined ? {} : { process: processId }),
    },
    token,
    ca,
  });
  if (answer.status === 200) return JSON.parse(answer.body) as Code;
  throw refusal(url, answer);
}

function refusal(url: string, { status, body }: ProbeAnswer): ClientError {
  if (status === 404)
    return new ClientError(
      "unimplemented",
      `the agent at ${url} serves no web console; start it with holdfast serve --console`,
    );
  const message = messageIn(body) ?? `HTTP ${status}`;
  if (status === 401) return new ClientError("unauthenticated", message);
  if (status === 403) return new ClientError("permission_denied", message);
  return new ClientError("unavailable", `the agent at ${url} cannot make a link: ${message}`);
}

function messageIn(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}
