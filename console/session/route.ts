// The pages and their addresses. All of them are in the fragment, which the browser does not send, so the
// console works below any path.

export type PaneMode = "control" | "watch" | "log";

export interface PaneAddress {
  readonly processId: string;
  readonly mode: PaneMode;
}

export type Route =
  | { readonly page: "processes" }
  | { readonly page: "start" }
  | { readonly page: "files"; readonly path: string }
  | { readonly page: "player" }
  /** Up to four panes beside each other. */
  | { readonly page: "panes"; readonly panes: readonly PaneAddress[] };

/** The content of a link of `holdfast console`. */
export interface LoginLink {
  readonly code: string;
  readonly route: Route;
}

export const MAX_PANES = 4;

const modeLetters: Readonly<Record<string, PaneMode>> = { c: "control", w: "watch", l: "log" };

export function parseRoute(fragment: string): Route {
  const [head = "", ...rest] = fragment.replace(/^#\/?/, "").split("/");
  const tail = rest.join("/");
  if (head === "start" || head === "player") return { page: head };
  if (head === "files") return { page: "files", path: decoded(tail) };
  if (head === "p") {
    const panes = tail.split("+").flatMap((part): PaneAddress[] => {
      const mode = modeLetters[part.slice(0, 1)];
      const processId = decoded(part.slice(2));
      return mode === undefined || part[1] !== ":" || processId === "" ? [] : [{ mode, processId }];
    });
    if (panes.length > 0) return { page: "panes", panes: panes.slice(0, MAX_PANES) };
  }
  return { page: "processes" };
}

export function formatRoute(route: Route): string {
  if (route.page === "files") return `#/files/${encodeURIComponent(route.path)}`;
  if (route.page !== "panes") return route.page === "processes" ? "#/" : `#/${route.page}`;
  const panes = route.panes.map(({ mode, processId }) => `${mode[0]}:${encodeURIComponent(processId)}`);
  return `#/p/${panes.join("+")}`;
}

/** `#code=…`, with `&process=ID` and `&mode=watch`. */
export function parseLogin(fragment: string): LoginLink | undefined {
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  const code = values.get("code");
  if (code === null || code === "") return undefined;
  const processId = values.get("process");
  const mode = values.get("mode") === "watch" ? "watch" : "control";
  const route: Route =
    processId === null || processId === ""
      ? { page: "processes" }
      : { page: "panes", panes: [{ processId, mode }] };
  return { code, route };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A broken escape is taken as it is.
    return text;
  }
}
