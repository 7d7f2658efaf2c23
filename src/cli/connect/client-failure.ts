// Explains a failed call of the client in one line, for the person who typed the command.

import { InvalidArgumentError } from "commander";
import { ClientError } from "../../client/index.ts";
import { exitCodes } from "../exit-codes.ts";
import { WriteError } from "../report/report.ts";

/** Why no agent answers at an address. Each of these fails before a call can reach an agent. */
const unreachable: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ENOTFOUND", "the name has no address"],
  ["EAI_AGAIN", "looking up the name failed"],
  ["EHOSTUNREACH", "the host cannot be reached"],
  ["ENETUNREACH", "the network cannot be reached"],
  ["EHOSTDOWN", "the host is down"],
  ["HPE_INVALID_CONSTANT", "the program that listens there does not speak HTTP"],
  ["EPROTO", "the program that listens there does not speak TLS (https:)"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate is not trusted"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate is not trusted"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "its certificate is not trusted"],
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another name"],
]);

/** A proxy answers this while its agent is not up yet; a retry may succeed. */
const temporary = /^HTTP (429|502|503|504)$/;

/** Why there is no agent at the address; undefined if the connection to one was lost, or for other errors. */
function addressFailure(error: unknown): string | undefined {
  const reason = reasonIn(unreachable, error);
  if (reason !== undefined || !(error instanceof ClientError)) return reason;
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
export function describeFailure(error: unknown, url: string): string {
  const reason = addressFailure(error);
  if (reason !== undefined) return `no agent at ${url}: ${reason} (--url or HOLDFAST_URL says where it is)`;
  if (error instanceof InvalidArgumentError) return `the access token cannot be used. ${error.message}`;
  if (error instanceof ClientError || error instanceof WriteError || isExplained(error))
    return inSeconds(error.message);
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a bug in holdfast: ${details}`;
}

/** Errors of the command line itself whose message is for the user; known by name, to load none of them. */
function isExplained(error: unknown): error is Error {
  return error instanceof Error && error.name === "StdinError";
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

function inSeconds(message: string): string {
  return message.replace(/\b(\d+)000 ms\b/g, "$1 s");
}

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
    const reason = words.get(String(Reflect.get(next, "code")));
    if (reason !== undefined) return reason;
  }
  return undefined;
}
