// Counts streams of HTTP/2 that wait for their turn in the memory budget (rule 14). From then on they count as requests
// (request-limit.ts).

import { Code } from "@connectrpc/connect";
import type { ClientActivity } from "../client-activity.ts";
import { Headroom, type ReservableBudget } from "./headroom.ts";
import { HEADER_COPIES } from "./resident-memory.ts";

/** Measured on Node 20 and 26: the objects of Node, before anything looks at the request. */
const COST_BYTES = 12 * 1024;
/** The first ones do not count: about 80. */
const UNCOUNTED_BYTES = 1024 * 1024;

/** Returns a function that says whether there is room for so many streams, with so much text in their headers. It counts them if there is. */
export function waitingMemory(
  budget: ReservableBudget & { readonly bytes: number },
  activity: Pick<ClientActivity, "refusedRequest">,
): (streams: number, headerBytes: number) => boolean {
  const headroom = new Headroom(budget, UNCOUNTED_BYTES, false);
  return (streams, headerBytes) => {
    if (headroom.add(COST_BYTES * streams + HEADER_COPIES * headerBytes - headroom.heldBytes)) return true;
    const message = `no memory for another stream beside ${streams - 1} that wait (${budget.bytes} bytes; --memory-budget)`;
    activity.refusedRequest(Code.ResourceExhausted, message, {});
    return false;
  };
}
