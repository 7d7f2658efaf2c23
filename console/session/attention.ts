// Whether the page is visible, and when it wakes up: after sleep, a lost network, or the return to
// the tab.

import { signal } from "@preact/signals";
import { client } from "./state.ts";

export const isVisible = signal(!document.hidden);

/** A timer that is later than this was stopped: the machine slept. */
const STOLEN_MS = 5_000;
const TICK_MS = 1_000;

export function watchAttention(): void {
  const wake = () => client.value?.reconnectNow();
  document.addEventListener("visibilitychange", () => {
    isVisible.value = !document.hidden;
  });
  addEventListener("online", wake);
  addEventListener("pageshow", ({ persisted }) => {
    isVisible.value = !document.hidden;
    if (persisted) wake();
  });
  document.addEventListener("freeze", () => {
    isVisible.value = false;
  });
  let last = Date.now();
  setInterval(() => {
    const now = Date.now();
    // Timers of hidden pages are delayed on purpose.
    if (now - last > TICK_MS + STOLEN_MS && !document.hidden) wake();
    last = now;
  }, TICK_MS);
}
