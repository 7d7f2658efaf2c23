// Whether the program that uses an address is a holdfast agent: then `doctor` does not fail.

import { type ProbeAnswer, probe } from "./http-probe.ts";

/** An agent on this machine answers at once. */
const ANSWER_MS = 1_500;

/** The agent at `url`, as a text; undefined if no agent runs there. */
export async function agentAt(url: string): Promise<string | undefined> {
  const urls = url.startsWith("http://") ? [url, url.replace(/^http:/, "https:")] : [url];
  const found = await Promise.all(urls.map(askForVersion));
  return found.find((text) => text !== undefined);
}

/** Undefined if the program there speaks another scheme, or is not an agent. */
async function askForVersion(url: string): Promise<string | undefined> {
  try {
    const options = { isStrict: false, json: { agent: true }, answerMs: ANSWER_MS };
    return described(await probe(url, "/process.Process/List", options));
  } catch {
    return undefined;
  }
}

function described({ status, body }: ProbeAnswer): string | undefined {
  let answer: {
    readonly agent?: { readonly version?: unknown };
    readonly code?: unknown;
    readonly message?: unknown;
  };
  try {
    answer = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (status === 200 && typeof answer.agent?.version === "string")
    return `the agent runs there, version ${answer.agent.version}`;
  const isRefused = status === 401 && answer.code === "unauthenticated";
  return isRefused && /access token/.test(String(answer.message))
    ? "an agent with an access token runs there"
    : undefined;
}
