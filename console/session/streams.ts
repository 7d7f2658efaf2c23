// The budget of streams, told to the other windows of this browser by a BroadcastChannel.

import { signal } from "@preact/signals";
import { type BudgetMessage, HEARTBEAT_MS, StreamBudget } from "./stream-budget.ts";

/** Long enough for an answer of a window that is busy. */
const ANSWER_MS = 100;

export const pageId = crypto.getRandomValues(new Uint32Array(2)).join("-");
export const streamsInUse = signal(0);

const channel = new BroadcastChannel("holdfast-streams");

export const streams = new StreamBudget({
  page: pageId,
  ...limits(),
  post: (message) => channel.postMessage(message),
  now: () => Date.now(),
  onChange: () => {
    streamsInUse.value = streams.inUse;
  },
});

/** HTTP/2 shares one connection. */
function limits(): { limit: number; pageLimit: number } {
  const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const isShared = page !== undefined && /^h[23]/.test(page.nextHopProtocol);
  return isShared
    ? { limit: Number.POSITIVE_INFINITY, pageLimit: Number.POSITIVE_INFINITY }
    : { limit: 4, pageLimit: 3 };
}

export function beginStreams(): void {
  channel.onmessage = ({ data }: MessageEvent<BudgetMessage>) => streams.receive(data);
  streams.begin();
  setTimeout(() => streams.open(), ANSWER_MS);
  setInterval(() => streams.beat(), HEARTBEAT_MS);
  addEventListener("pagehide", ({ persisted }) => {
    if (!persisted) streams.close();
  });
}
