// Which names this agent answers to. A web page may have a name of its own resolve to this machine (DNS rebinding); the
// browser then takes the agent for the page's own server, but still sends the page's name as Host. A number, or localhost,
// is no name anybody else could own.

import { isIP } from "node:net";
import type { NodeRequest } from "../exchange.ts";

/** What a request's Host is: one of ours or none at all; somebody else's; or no host. */
export type HostVerdict = "ours" | "foreign" | "malformed";

/** `names` in any case, without a port; `*.example.com` stands for every name below it, `*` for every name. */
export function createHostCheck(names: readonly string[]): (request: NodeRequest) => HostVerdict {
  const exact = new Set(["localhost", ...names.map((name) => name.toLowerCase())]);
  const suffixes = names.filter((name) => name.startsWith("*.")).map((name) => name.slice(1).toLowerCase());
  const takesAll = exact.has("*");
  return (request) => {
    const verdicts = hostsOf(request).map((host) => {
      const name = nameIn(host);
      if (name === undefined) return "malformed";
      if (takesAll || isIP(name) !== 0 || exact.has(name)) return "ours";
      return suffixes.some((suffix) => name.endsWith(suffix)) ? "ours" : "foreign";
    });
    return verdicts.find((verdict) => verdict !== "ours") ?? "ours";
  };
}

/** As the client wrote them: HTTP/2 has `:authority`, and may have Host as well. */
export function hostsOf({ headers }: NodeRequest): string[] {
  return [headers[":authority"], headers.host].filter(
    (host) => typeof host === "string" && host !== "",
  ) as string[];
}

/** In lower case, without port, brackets and the dot that ends a full name. */
function nameIn(host: string): string | undefined {
  const [, address, name, port] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(host) ?? [];
  if (Number(port ?? 0) > 65_535) return undefined;
  return (address ?? name)?.toLowerCase().replace(/\.$/, "");
}
