// The checks of `holdfast doctor` on the connection from this command to an agent: address, name,
// connection, TLS, proxy, token, version. Each step needs the ones before, so the first failure is
// the last finding.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { createAgentClient } from "../../client/agent-client.ts";
import { ClientError } from "../../client/index.ts";
import { messageOf } from "../../text.ts";
import {
  type AgentAccess,
  accessOfChosenAgent,
  originOfChosenAgent,
  urlOfChosenAgent,
} from "../connect/chosen-agent.ts";
import { explainFailure } from "../connect/client-failure.ts";
import { secured, speaksTls } from "../connect/tls-probe.ts";
import { ONE_TRY } from "../connect/with-client.ts";
import { version } from "../version.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";
import { type ProbeAnswer, probe } from "./http-probe.ts";

const MOST_SKEW_MS = 5_000;

/** Resolves with the findings in the order of the steps. */
export async function wayFindings(): Promise<Finding[]> {
  const url = urlOfChosenAgent();
  const findings: Finding[] = [ok("url", `${url} (${originOfChosenAgent()})`), ...proxyVariables()];
  const name = await nameFinding(url);
  if (name !== undefined) findings.push(name);
  if (name?.verdict === "fail") return findings;
  let access: AgentAccess;
  try {
    access = accessOfChosenAgent();
  } catch (error) {
    return [...findings, fail("token", messageOf(error), "no command reaches the agent")];
  }
  const answer = await healthAnswer(url, access);
  findings.push(...answer.findings);
  if (answer.answer === undefined) return findings;
  findings.push(...proxyFinding(answer.answer), ...(await agentFindings(url, access)));
  return findings;
}

/** Node's client does not use them, unlike curl. */
function proxyVariables(): Finding[] {
  const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
  const given = names.filter((name) => (process.env[name] ?? "") !== "");
  if (given.length === 0) return [];
  return [warn("proxy", `${given.join(", ")} is set`, "holdfast does not use it and connects directly")];
}

async function nameFinding(url: string): Promise<Finding | undefined> {
  if (url.startsWith("unix:")) return undefined;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0) return undefined;
  try {
    const found = await lookup(host, { all: true });
    return ok("name", `${host} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    return fail(
      "name",
      messageOf(error),
      `${host} has no address: correct the name, or the DNS of this machine`,
    );
  }
}

async function healthAnswer(
  url: string,
  { ca }: AgentAccess,
): Promise<{ readonly findings: readonly Finding[]; readonly answer?: ProbeAnswer }> {
  const startedAtMs = performance.now();
  try {
    const answer = await probe(url, "/health", { ca });
    const ms = Math.round(performance.now() - startedAtMs);
    const tls = url.startsWith("https:") ? [ok("tls", "the certificate is trusted")] : [];
    if (answer.status !== 204 && answer.status !== 200)
      return { findings: [...tls, await strangeAnswer(url, answer)] };
    return { findings: [ok("connection", `answers in ${ms} ms`), ...tls], answer };
  } catch (error) {
    return { findings: [await lostConnection(url, error)] };
  }
}

async function strangeAnswer(url: string, { status }: ProbeAnswer): Promise<Finding> {
  if (url.startsWith("http://") && (await speaksTls(url)))
    return fail("tls", "TLS is spoken there", `name the agent with ${secured(url)}`);
  const isTemporary = [502, 503, 504].includes(status);
  return fail(
    "connection",
    `HTTP ${status}`,
    isTemporary
      ? "a proxy answers, and its agent does not: start the agent"
      : "another program answers there",
  );
}

async function lostConnection(url: string, error: unknown): Promise<Finding> {
  if (url.startsWith("http://") && (await speaksTls(url)))
    return fail("tls", "TLS is spoken there", `name the agent with ${secured(url)}`);
  const isTls = /^(EPROTO|ERR_SSL|ERR_TLS|CERT|DEPTH|SELF_SIGNED|UNABLE)/.test(
    String(Reflect.get(Object(error), "code")),
  );
  const lost = new ClientError("unavailable", messageOf(error), { cause: error });
  return fail(isTls ? "tls" : "connection", messageOf(error), await explainFailure(lost, url));
}

/** An agent sends neither of these. */
function proxyFinding({ headers }: ProbeAnswer): Finding[] {
  const seen = ["via", "server"].filter((name) => headers[name] !== undefined);
  if (seen.length === 0) return [];
  const text = seen.map((name) => `${name}: ${headers[name]}`).join(", ");
  return [ok("proxy", `a proxy is in between (${text})`)];
}

async function agentFindings(url: string, access: AgentAccess): Promise<Finding[]> {
  const client = createAgentClient({ reconnect: ONE_TRY, ...access });
  try {
    const agent = await client.agent();
    const token = ok("token", access.token === undefined ? "none is needed" : "accepted");
    if (agent === undefined)
      return [
        token,
        warn("agent", "it does not say its version", "it is older than this command, or not holdfast"),
      ];
    const skewMs = Math.abs(agent.now.getTime() - Date.now());
    const clock =
      skewMs > MOST_SKEW_MS
        ? [
            warn(
              "clock",
              `${Math.round(skewMs / 1000)} s apart from the agent's`,
              "ages and times of output seem wrong",
            ),
          ]
        : [];
    const isSame = agent.version === version();
    const found = isSame ? agent.version : `${agent.version}, this command is ${version()}`;
    return [token, ok("agent", `version ${found}`), ...clock];
  } catch (error) {
    return [fail("token", messageOf(error), await explainFailure(error, url))];
  } finally {
    client.close();
  }
}
