// Whether a request comes from a page that this agent itself has served: the web console.

import type { NodeRequest } from "../exchange.ts";

/**
 * The Origin names the host and port of Host, and the browser, if it says so, calls the page's request same-origin. The
 * scheme is not compared, because TLS may end at a proxy. The caller checks Host, or a token that no other page knows.
 */
export function isSameOrigin({ headers }: NodeRequest): boolean {
  const { origin } = headers;
  const host = headers[":authority"] ?? headers.host;
  const site = headers["sec-fetch-site"];
  if (origin === undefined || typeof host !== "string") return false;
  if (site !== undefined && site !== "same-origin") return false;
  const [, scheme = "", name] = /^(https?):\/\/([^/?#@]+)$/i.exec(origin) ?? [];
  return name !== undefined && withPort(name, scheme) === withPort(host, scheme);
}

/** Browsers leave out the port that is the default of the scheme; a proxy may write it. */
function withPort(host: string, scheme: string): string {
  const port = scheme.toLowerCase() === "https" ? 443 : 80;
  return /:\d+$/.test(host) ? host.toLowerCase() : `${host.toLowerCase()}:${port}`;
}
