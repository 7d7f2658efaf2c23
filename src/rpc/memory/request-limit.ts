// Counts the requests that are being answered in the memory budget (rule 14). Each takes memory from its first byte to the
// end of its answer, even one that never arrives completely. When there is no room, a new request is refused; those that
// are being answered continue.
//
// Signals, resizes and the end of stdin have places of their own, and List has others: even if
// other requests hold the whole budget, a client can find the process that holds most, and end it.
// If these places are also taken, the oldest request in them that has not arrived completely ends.

import { Code } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse, Refusal, RequestListener } from "../../http/index.ts";
import { headerBytesOf, pathOf, refuse } from "../../http/index.ts";
import { endUnfinished } from "../body/unfinished-requests.ts";
import type { ClientActivity } from "../client-activity.ts";
import { Headroom, type ReservableBudget } from "./headroom.ts";
import { HEADER_COPIES } from "./resident-memory.ts";

/**
 * `call`: one message and one answer. `stream`: Start, Connect and the like. `upload`: a stream of the client, of which the
 * connection reads ahead. `control` and `list`: see above.
 */
export type RequestKind = "call" | "stream" | "upload" | "control" | "list";

/** In addition to the headers. Measured on Node 20 and 26 after a collection: 22 KiB for a call, 46 for an attached stream. */
const COST_BYTES: Readonly<Record<RequestKind, number>> = {
  call: 24 * 1024,
  stream: 48 * 1024,
  upload: 112 * 1024,
  control: 24 * 1024,
  list: 24 * 1024,
};

/** The first requests do not count in the budget: about 80 calls, or 40 streams. */
const UNCOUNTED_BYTES = 2 * 1024 * 1024;
/** Apart from each other: an unread answer to List must not take the place of a signal. */
const PLACES: Readonly<Partial<Record<RequestKind, number>>> = { control: 64, list: 16 };
/** A place is not for requests with longer headers: places are not counted. */
const MAX_PLACED_HEADER_BYTES = 16 * 1024;

interface Call {
  readonly request: NodeRequest;
  readonly response: NodeResponse;
}

export class RequestLimit {
  readonly #budgetBytes: number;
  readonly #headroom: Headroom;
  readonly #activity: Pick<ClientActivity, "refusedRequest">;
  #openCount = 0;
  /** The calls in the places of each kind, the oldest first. */
  readonly #placed = new Map<RequestKind, Set<Call>>();

  constructor(
    budget: ReservableBudget & { readonly bytes: number },
    activity: Pick<ClientActivity, "refusedRequest">,
  ) {
    this.#budgetBytes = budget.bytes;
    this.#headroom = new Headroom(budget, UNCOUNTED_BYTES, false);
    this.#activity = activity;
  }

  /** Passes requests for which there is room to `listener`. */
  watch(kindOf: (path: string) => RequestKind, listener: RequestListener): RequestListener {
    return (request, response) => {
      const path = pathOf(request);
      const kind = kindOf(path);
      const headerBytes = HEADER_COPIES * headerBytesOf(request);
      const release =
        this.#hold(COST_BYTES[kind] + headerBytes) ??
        (headerBytes <= MAX_PLACED_HEADER_BYTES ? this.#takePlace(kind, { request, response }) : undefined);
      if (release === undefined) return this.#refuse(request, response, path);
      this.#openCount++;
      response.once("close", () => {
        this.#openCount--;
        release();
      });
      listener(request, response);
    };
  }

  /** A stream that another image of the agent began. It continues even if there is no room for it. */
  addStream(): () => void {
    const release = this.#hold(COST_BYTES.stream);
    return () => release?.();
  }

  #hold(bytes: number): (() => void) | undefined {
    if (!this.#headroom.add(bytes)) return undefined;
    return () => void this.#headroom.add(-bytes);
  }

  #takePlace(kind: RequestKind, call: Call): (() => void) | undefined {
    const places = PLACES[kind];
    if (places === undefined) return undefined;
    const calls = this.#placed.get(kind) ?? new Set();
    this.#placed.set(kind, calls);
    if (calls.size >= places) {
      const oldest = [...calls].find(({ request }) => !isComplete(request));
      if (oldest === undefined) return undefined;
      calls.delete(oldest);
      endUnfinished(oldest.request, oldest.response, this.#refusal());
    }
    calls.add(call);
    return () => void calls.delete(call);
  }

  #refuse(request: NodeRequest, response: NodeResponse, path: string): void {
    const refusal = this.#refusal();
    this.#activity.refusedRequest(refusal.code, refusal.message, { path });
    refuse(request, response, refusal);
  }

  #refusal(): Refusal {
    const message = `no memory for another request beside ${this.#openCount} open ones and what is held for clients (${this.#budgetBytes} bytes; --memory-budget); try again`;
    return {
      code: Code.ResourceExhausted,
      httpStatus: 429,
      message,
      headers: { "Retry-After": "1" },
    };
  }
}

function isComplete(request: NodeRequest): boolean {
  return request.complete;
}
