// The agent that this run of the command calls, and how to reach it. Set once, before the command's action
// (choose-agent.ts): one run has one command and one agent.

import { readFileSync } from "node:fs";
import { messageOf } from "../../text.ts";
import { printNotice } from "../report/notices.ts";
import { type FoundToken, readTokenFile, TOKEN_VARIABLE, tokenOfVariable } from "./access-token.ts";

export interface ChosenAgent {
  readonly url: string;
  readonly tokenFile: string | undefined;
  readonly caFile: string | undefined;
  /** The flags that choose the same agent again. */
  readonly flags: readonly string[];
  /** The context that names it, if one does. */
  readonly context: string | undefined;
  /** The source of the choice. */
  readonly origin: "flag" | "variable" | "context" | "default";
}

/** A token or certificate that cannot be used. The message says which and what to do. */
export class AccessError extends Error {
  override readonly name = "AccessError";
}

/** The options of createAgentClient. */
export interface AgentAccess {
  readonly baseUrl: string;
  readonly token?: string;
  readonly ca?: Buffer;
}

let chosen: ChosenAgent | undefined;

export function rememberAgent(agent: ChosenAgent): void {
  chosen = agent;
}

export function isChosenBy(origin: ChosenAgent["origin"]): boolean {
  return chosen?.origin === origin;
}

/** The source of the address, for a person. */
export function originOfChosenAgent(): string {
  if (chosen?.context !== undefined) return `context "${chosen.context}"`;
  return { flag: "--url", variable: "HOLDFAST_URL", context: "context", default: "default" }[
    chosen?.origin ?? "default"
  ];
}

export function urlOfChosenAgent(): string {
  return chosen?.url ?? "";
}

export function flagWordsOfChosenAgent(): readonly string[] {
  return chosen?.flags ?? [];
}

/** For a message that names a command: " --url http://…", or empty if the same command line without flags reaches the agent. */
export function flagsOfChosenAgent(): string {
  return (chosen?.flags ?? []).map((word) => ` ${word}`).join("");
}

/** The context that names it, if one does. */
export function contextOfChosenAgent(): string | undefined {
  return chosen?.context;
}

/** Where the token comes from; undefined without a token. */
export function placeOfToken(): string | undefined {
  if (access?.token === undefined) return undefined;
  return chosen?.tokenFile === undefined ? `the variable ${TOKEN_VARIABLE}` : `the file ${chosen.tokenFile}`;
}

let isReached = false;

/** The agent has answered this command. */
export function markAgentReached(): void {
  isReached = true;
}

/** Then a later failure is not that of a wrong address. */
export function wasAgentReached(): boolean {
  return isReached;
}

let access: AgentAccess | undefined;

/** Reads the files once. Prints their safety problems. Throws an AccessError. */
export function accessOfChosenAgent(): AgentAccess {
  if (chosen === undefined) throw new Error("no agent is chosen");
  access ??= readAccess(chosen, process.env);
  return access;
}

function readAccess({ url, tokenFile, caFile }: ChosenAgent, env: NodeJS.ProcessEnv): AgentAccess {
  const found = tokenFile === undefined ? fromVariable(env) : fromFile(tokenFile);
  for (const remark of found?.remarks ?? []) printNotice(remark);
  return {
    baseUrl: url,
    ...(found === undefined ? {} : { token: found.token }),
    // A variable or a context may also be there for an http: address.
    ...(caFile === undefined || !url.startsWith("https:") ? {} : { ca: readCertificates(caFile) }),
  };
}

function fromVariable(env: NodeJS.ProcessEnv): FoundToken | undefined {
  try {
    return tokenOfVariable(env);
  } catch (error) {
    throw new AccessError(`the variable ${TOKEN_VARIABLE} is invalid. ${messageOf(error)}`);
  }
}

function fromFile(path: string): FoundToken {
  try {
    return readTokenFile(path);
  } catch (error) {
    throw new AccessError(
      `the access token file ${path} cannot be used. ${messageOf(error)} (--access-token-file or HOLDFAST_ACCESS_TOKEN_FILE names the file)`,
    );
  }
}

function readCertificates(path: string): Buffer {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (error) {
    throw new AccessError(
      `the certificates cannot be read: ${messageOf(error)} (--ca or HOLDFAST_CA names the file)`,
    );
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new AccessError(
    `the file ${path} holds no PEM certificate: it needs a line -----BEGIN CERTIFICATE----- (--ca or HOLDFAST_CA names the file)`,
  );
}
