// The actions of clients, counted for metrics and written to the log: one line for each stream that
// attaches or detaches and for each refusal. Of what a client sent, the log holds only the names by
// which it called its process; see ProcessLog.

import { Code, type ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Logger } from "../logger.ts";
import { identityOf, type Process } from "../process/index.ts";
import { sampled } from "../sampled-logger.ts";
import { clip } from "../text.ts";

/**
 * Why a subscriber detached: the process ended, the client left, it made others wait (rule 11), or
 * the agent stops.
 */
export type DetachReason = "end" | "gone" | "cut" | "stopped";

export interface ClientStatistics {
  /** Start and Connect streams that were attached to a process. */
  readonly attached: number;
  readonly detached: Readonly<Record<DetachReason, number>>;
  /** Streams that were attached with `from_offset`. */
  readonly resumes: number;
  readonly gaps: number;
  /** The bytes in these gaps. */
  readonly gapBytes: number;
  /** By code, spelled as on the Connect wire. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Held now for requests that are arriving or not yet passed on. */
  readonly requestBytes: number;
}

/** The counts with which another image of the agent continues. */
export type SavedClientStatistics = Omit<ClientStatistics, "requestBytes">;

export class ClientActivity {
  readonly #statistics = {
    attached: 0,
    detached: { end: 0, gone: 0, cut: 0, stopped: 0 },
    resumes: 0,
    gaps: 0,
    gapBytes: 0,
    refusals: {} as Record<string, number>,
  };
  #requestMemory: { readonly heldBytes: number } | undefined;
  readonly #logger: Logger;
  /** Clients decide how often they are refused. */
  readonly #refusalLogger: Logger;

  /** `saved`: the counts of the image before. */
  constructor(logger: Logger, saved?: Partial<SavedClientStatistics>) {
    const { detached, refusals, ...counts } = saved ?? {};
    Object.assign(this.#statistics, counts);
    Object.assign(this.#statistics.detached, detached);
    Object.assign(this.#statistics.refusals, refusals);
    this.#logger = logger;
    this.#refusalLogger = sampled(logger);
  }

  /** Since the agent started. */
  get statistics(): ClientStatistics {
    return { ...this.#statistics, requestBytes: this.#requestMemory?.heldBytes ?? 0 };
  }

  /** From now on the statistics include what `memory` holds. */
  observeRequests(memory: { readonly heldBytes: number }): void {
    this.#requestMemory = memory;
  }

  /** `resumes`: the client gave an offset. */
  attached(process: Process, offset: number, resumes: boolean): void {
    this.#statistics.attached++;
    if (resumes) this.#statistics.resumes++;
    const { subscriberCount: subscribers } = process.output;
    this.#logger.info({ ...identityOf(process), offset, resumes, subscribers }, "client attached");
  }

  /** `offset`: up to where the client's connection accepted the output. */
  detached(process: Process, reason: DetachReason, offset: number): void {
    this.#statistics.detached[reason]++;
    const { subscriberCount: subscribers } = process.output;
    this.#logger.info({ ...identityOf(process), offset, reason, subscribers }, "client detached");
  }

  gap(from: number, to: number): void {
    this.#statistics.gaps++;
    this.#statistics.gapBytes += to - from;
  }

  /** A request was refused before its body was read. */
  refusedRequest(code: Code, message: string, request: { readonly [field: string]: unknown }): void {
    this.#countRefusal(code);
    const fields = { ...request, code: codeToString(code), why: clip(message) };
    this.#refusalLogger.info(fields, "request refused");
  }

  /** An RPC failed with an error that its client receives. */
  refusedCall(rpc: string, { code, rawMessage }: ConnectError): void {
    if (notRefusals.has(code)) return;
    this.#countRefusal(code);
    const why = quotingCodes.has(code) ? {} : { why: clip(rawMessage) };
    this.#refusalLogger.info({ rpc, code: codeToString(code), ...why }, "call refused");
  }

  #countRefusal(code: Code): void {
    const { refusals } = this.#statistics;
    const name = codeToString(code);
    refusals[name] = (refusals[name] ?? 0) + 1;
  }
}

/** The client left, or its time limit passed; an internal error is logged where it is caught. */
const notRefusals: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.Internal,
]);

/**
 * Messages with these codes quote texts of the client: an argument, a variable, a password given as
 * a user.
 */
const quotingCodes: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.Unauthenticated]);
