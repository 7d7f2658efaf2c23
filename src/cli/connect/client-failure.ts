// Explains a failed call of the client in one line, for the person who typed the command.

import { ClientError } from "../../client/index.ts";
import { exitCodes } from "../exit-codes.ts";
import { WriteError } from "../report/report.ts";
import { AccessError, contextOfChosenAgent, placeOfToken, wasAgentReached } from "./chosen-agent.ts";
import { mayBeTls, secured, speaksTls } from "./tls-probe.ts";

const UNTRUSTED = "its certificate is not trusted; --ca names the file with the certificates to trust";

/** Why no agent answers at an address. Each of these fails before a call can reach an agent. */
const unreachable: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ENOTFOUND", "the name has no address"],
  ["EAI_AGAIN", "looking up the name failed"],
  ["EHOSTUNREACH", "the host cannot be reached"],
  ["ENETUNREACH", "the network cannot be reached"],
  ["EHOSTDOWN", "the host is down"],
  ["HPE_INVALID_CONSTANT", "the program that listens there does not speak HTTP"],
  ["ENOENT", "there is no such socket"],
  ["EACCES", "this user may not use the socket"],
  ["EPROTO", "the program that listens there does not speak TLS; name it with http: instead of https:"],
  [
    "ERR_SSL_WRONG_VERSION_NUMBER",
    "the program that listens there does not speak TLS; name it with http: instead of https:",
  ],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", UNTRUSTED],
  ["SELF_SIGNED_CERT_IN_CHAIN", UNTRUSTED],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNTRUSTED],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", UNTRUSTED],
  ["CERT_HAS_EXPIRED", "its certificate has expired; it needs a new one"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another name; use one of its names"],
]);

/** A proxy answers this while its agent is not up yet; a retry may succeed. */
const temporary = /^HTTP (429|502|503|504)$/;

/** Codes that files also have: here they are those of connecting to a Unix socket. */
const alsoOfFiles: readonly string[] = ["ENOENT", "EACCES"];

/** Why there is no agent at the address; undefined if the connection to one was lost, or for other errors. */
function addressFailure(error: unknown): string | undefined {
  if (!(error instanceof ClientError)) return undefined;
  const reason = reasonIn(unreachable, error);
  if (reason !== undefined) return reason;
  // Connect's messages about an answer that is not in its protocol.
  const isForeign = /^(HTTP \d+|unsupported content type .*)$/.test(error.message);
  return isForeign && !temporary.test(error.message)
    ? `another program answers there (${error.message})`
    : undefined;
}

export function isWrongAddress(error: unknown): boolean {
  return addressFailure(error) !== undefined;
}

/** An unexpected error is a bug: its line contains the stack. */
function describeFailure(error: unknown, url: string): string {
  const reason = addressFailure(error);
  if (wasAgentReached()) {
    const lost = reason ?? reasonIn(lossWords, error);
    const state = describeEnd(error) === undefined ? "no longer answers" : "has ended";
    if (lost !== undefined)
      return `the agent at ${url} ${state}: ${lost}; when it is back, repeat this command`;
  }
  if (reason !== undefined) return noAgent(url, reason);
  if (error instanceof ClientError && isAboutToken(error)) return refusedToken(error, url);
  if (error instanceof ClientError && temporary.test(error.message))
    return `the agent at ${url} does not answer: a proxy in between says ${error.message}; start the agent, or try again`;
  if (error instanceof ClientError || error instanceof WriteError || isExplained(error))
    return inSeconds(error.message);
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a bug in holdfast: ${details}`;
}

/** Errors of the command line itself whose message is for the user. Known by name, so that nothing is loaded for them. */
function isExplained(error: unknown): error is Error {
  return (
    error instanceof AccessError ||
    (error instanceof Error && (error.name === "StdinError" || error.name === "FileProblem"))
  );
}

/** As describeFailure, and finds out whether the address has the wrong scheme. */
export async function explainFailure(error: unknown, url: string): Promise<string> {
  if (mayBeTls(error, url) && (await speaksTls(url)))
    return noAgent(url, `TLS is spoken there; use ${secured(url)}`);
  return describeFailure(error, url);
}

function noAgent(url: string, reason: string): string {
  const context = contextOfChosenAgent();
  if (context !== undefined) return `no agent at ${url}: ${reason} (context "${context}" says where it is)`;
  return `no agent at ${url}: ${reason} (--url or HOLDFAST_URL says where it is)`;
}

/** The same code also says that the user of the command does not exist. */
function isAboutToken({ code, message }: ClientError): boolean {
  return code === "unauthenticated" && /access token/.test(message);
}

function refusedToken({ message }: ClientError, url: string): string {
  const place = placeOfToken();
  if (place !== undefined) return `the agent at ${url} refuses the access token of ${place}: ${message}`;
  return `the agent at ${url} needs an access token: write it into a file and name the file with --access-token-file or HOLDFAST_ACCESS_TOKEN_FILE`;
}

/** The exit code of `run` when the agent refused the command, as a shell reports it; undefined for other failures. */
export function refusedCommand(error: unknown): number | undefined {
  if (!(error instanceof ClientError) || error.code !== "invalid_argument") return undefined;
  if (/^command ".*" (not found|does not exist)/s.test(error.message)) return exitCodes.notFound;
  return /^(command "|cannot execute )/.test(error.message) ? exitCodes.notExecutable : undefined;
}

/** Why a connection was lost, in a few words. */
export function describeLoss(error: ClientError): string {
  return (
    reasonIn(lossWords, error) ??
    reasonIn(unreachable, error) ??
    inSeconds(error.message.replace(/^the connection to the agent failed: /, ""))
  );
}

/** Says why the agent has ended. Undefined if only the network may have failed. */
export function describeEnd(error: unknown): string | undefined {
  return reasonIn(endWords, error);
}

function inSeconds(message: string): string {
  return message.replace(/\b(\d+)000 ms\b/g, "$1 s");
}

const endWords: ReadonlyMap<string, string> = new Map(
  [...unreachable].filter(([code]) => code === "ECONNREFUSED" || code === "ENOENT"),
);

const lossWords: ReadonlyMap<string, string> = new Map([
  ["ECONNRESET", "connection reset"],
  ["EPIPE", "connection closed"],
  ["ETIMEDOUT", "connection timed out"],
]);

/** Looks up the error code of Node of `error`, or of one of its causes. */
function reasonIn(words: ReadonlyMap<string, string>, error: unknown): string | undefined {
  const seen = new Set<unknown>();
  for (let next = error; next instanceof Error && !seen.has(next); next = next.cause) {
    seen.add(next);
    const code = String(Reflect.get(next, "code"));
    const isOfFile = alsoOfFiles.includes(code) && Reflect.get(next, "syscall") !== "connect";
    const reason = isOfFile ? undefined : words.get(code);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
