// What is put on record of clients: counted for metrics, and a line of log each. Nothing a client sent is in it but what it asked
// to be called by; see ProcessLog.

import { Code, type ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Logger } from "../logger.ts";
import { identityOf, type Process } from "../process/index.ts";
import { sampled } from "../sampled-logger.ts";
import { clip } from "../text.ts";
import type { DetachReason, ServerStatistics } from "./server-statistics.ts";

export class Records {
  readonly #statistics: ServerStatistics;
  readonly #logger: Logger;
  /** Strangers choose how often they are refused. */
  readonly #refusals: Logger;

  constructor(statistics: ServerStatistics, logger: Logger) {
    this.#statistics = statistics;
    this.#logger = logger;
    this.#refusals = sampled(logger);
  }

  /** `resumes`: it came with an offset of its own. */
  attached(process: Process, offset: number, resumes: boolean): void {
    this.#statistics.attached++;
    if (resumes) this.#statistics.resumes++;
    const { subscriberCount: subscribers } = process.output;
    this.#logger.info({ ...identityOf(process), offset, resumes, subscribers }, "client attached");
  }

  /** `offset`: how far the client has had the output for sure. */
  detached(process: Process, reason: DetachReason, offset: number): void {
    this.#statistics.detached[reason]++;
    const { subscriberCount: subscribers } = process.output;
    this.#logger.info({ ...identityOf(process), offset, reason, subscribers }, "client detached");
  }

  gap(from: number, to: number): void {
    this.#statistics.gaps++;
    this.#statistics.gapBytes += to - from;
  }

  /** Before anything of it was read. */
  refusedRequest(code: Code, message: string, request: { readonly [field: string]: unknown }): void {
    this.#count(code);
    this.#refusals.info({ ...request, code: codeToString(code), why: clip(message) }, "request refused");
  }

  /** By an RPC, of which the client has been told why. */
  refusedCall(rpc: string, { code, rawMessage }: ConnectError): void {
    if (unremarkable.has(code)) return;
    this.#count(code);
    const why = quoting.has(code) ? {} : { why: clip(rawMessage) };
    this.#refusals.info({ rpc, code: codeToString(code), ...why }, "call refused");
  }

  #count(code: Code): void {
    const { refusals } = this.#statistics;
    const name = codeToString(code);
    refusals[name] = (refusals[name] ?? 0) + 1;
  }
}

/** Ends that are no refusals: the client left, or its time was up. A cut is on record as such; an internal error was logged. */
const unremarkable: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.Internal,
]);

/** Whose messages quote what the client sent: an argument, a variable, a password in the place of a user. */
const quoting: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.Unauthenticated]);
