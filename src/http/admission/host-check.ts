// The names that this agent answers to. A web page's own name can resolve to this machine (DNS
// rebinding). The browser then takes the agent for the page's server, but still sends the page's name as
// Host. IP addresses and localhost are always allowed: no page can own such a name.

import { isIP } from "node:net";
import type { NodeRequest } from "../exchange.ts";

/** "allowed" also for a request without a Host. */
export type HostVerdict = "allowed" | "foreign" | "malformed";

/**
 * `names` have no port, and case does not matter. `*.example.com` allows every name below it, `*` every
 * name.
 */
export function createHostCheck(names: readonly string[]): (request: NodeRequest) => HostVerdict {
  const exact = new Set(["localhost", ...names.map((name) => name.toLowerCase())]);
  const suffixes = names.filter((name) => name.startsWith("*.")).map((name) => name.slice(1).toLowerCase());
  const allowsAll = exact.has("*");
  return (request) => {
    const verdicts = hostsOf(request).map((host) => {
      const name = nameIn(host);
      if (name === undefined) return "malformed";
      if (allowsAll || isIP(name) !== 0 || exact.has(name)) return "allowed";
      return suffixes.some((suffix) => name.endsWith(suffix)) ? "allowed" : "foreign";
    });
    return verdicts.find((verdict) => verdict !== "allowed") ?? "allowed";
  };
}

/** As the client wrote them: an HTTP/2 request has `:authority` and can also have Host. */
export function hostsOf({ headers }: NodeRequest): string[] {
  return [headers[":authority"], headers.host].filter(
    (host) => typeof host === "string" && host !== "",
  ) as string[];
}

/** In lower case, without port, brackets, and the dot at the end of a full name. */
function nameIn(host: string): string | undefined {
  const [, address, name, port] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(host) ?? [];
  if (Number(port ?? 0) > 65_535) return undefined;
  return (address ?? name)?.toLowerCase().replace(/\.$/, "");
}
