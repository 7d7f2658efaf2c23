// Shared by all parts of the page: the session, the client, the route, the notices.

import { computed, signal } from "@preact/signals";
import { type Client, createPageClient } from "../../src/client/page-client.ts";
import { plainLine } from "../ui/format.ts";
import { formatRoute, MAX_PANES, type PaneAddress, parseRoute, type Route } from "./route.ts";
import { agentUrl, type SessionInfo } from "./session.ts";

export type Login =
  | { readonly kind: "loading" }
  | { readonly kind: "out"; readonly problem?: string }
  | { readonly kind: "in"; readonly token: string | undefined; readonly info: SessionInfo };

export const login = signal<Login>({ kind: "loading" });
export const client = signal<Client | undefined>(undefined);
export const route = signal<Route>({ page: "processes" });
/** The last notice, for the live region and the bar at the bottom. */
export const notice = signal<{ readonly text: string; readonly isProblem: boolean } | undefined>(undefined);
/** The instance of the agent that this page began with is gone. */
export const wasRestarted = signal(false);

const scopes = computed(() => (login.value.kind === "in" ? login.value.info.scopes : []));
export const mayChange = computed(() => scopes.value.includes("admin"));
/** Input, size and the keys of a keyboard, but no other signals. */
export const mayType = computed(() => mayChange.value || scopes.value.includes("attach"));
/** A token for single processes sees nothing else of the agent. */
export const isLimited = computed(
  () => login.value.kind === "in" && login.value.info.processes !== undefined,
);

export function connect(token: string | undefined): Client {
  client.value?.close();
  const fresh = createPageClient({
    baseUrl: agentUrl(),
    ...(token === undefined ? {} : { token }),
    reconnect: { keepaliveSeconds: 10, maxDelayMs: 5_000, callRetryMs: 10_000 },
  });
  client.value = fresh;
  return fresh;
}

let noticeTimer: ReturnType<typeof setTimeout> | undefined;

/** `text` may contain text from the sandbox. */
export function say(text: string, isProblem = false): void {
  notice.value = { text: plainLine(text), isProblem };
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(
    () => {
      notice.value = undefined;
    },
    isProblem ? 10_000 : 4_000,
  );
}

export function sayError(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

export function go(to: Route): void {
  location.hash = formatRoute(to);
}

export function followAddress(): void {
  const read = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("hashchange", read);
  read();
}

/** Opens a process in a pane; `beside` keeps the panes that are open. */
export function openPane(pane: PaneAddress, beside = false): void {
  const open = route.value.page === "panes" && beside ? route.value.panes : [];
  const others = open.filter(({ processId }) => processId !== pane.processId);
  go({ page: "panes", panes: [...others.slice(0, MAX_PANES - 1), pane] });
}

export function closePane(processId: string): void {
  if (route.value.page !== "panes") return;
  const panes = route.value.panes.filter((pane) => pane.processId !== processId);
  go(panes.length === 0 ? { page: "processes" } : { page: "panes", panes });
}

export function replacePane(processId: string, pane: PaneAddress): void {
  if (route.value.page !== "panes") return;
  go({
    page: "panes",
    panes: route.value.panes.map((other) => (other.processId === processId ? pane : other)),
  });
}
