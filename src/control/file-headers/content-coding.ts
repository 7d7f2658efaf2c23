// Accept-Encoding (RFC 9110, 12.5.3): whether an answer is compressed. Most clients list gzip without asking for it, and
// compressing costs the sandbox more than the bytes cost the network. So an answer is compressed only for a client that
// names gzip and no other coding, or that refuses uncompressed answers.

export type ContentCoding = "identity" | "gzip";

/** Undefined if the client accepts neither. `isCompressible`: false for content that gzip does not make smaller. */
export function chooseCoding(header: string | null, isCompressible: boolean): ContentCoding | undefined {
  const weights = parse(header ?? "");
  const any = weights.get("*");
  const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? any ?? 0;
  const identity = weights.get("identity") ?? (any === 0 ? 0 : undefined);
  if (identity === 0) return gzip > 0 ? "gzip" : undefined;
  const others = [...weights].filter(([name, weight]) => weight > 0 && name !== "gzip" && name !== "x-gzip");
  const isAskedFor = weights.has("gzip") || weights.has("x-gzip");
  const isPreferred = others.every(([name, weight]) => name === "identity" && weight < gzip);
  return isCompressible && isAskedFor && gzip > 0 && isPreferred ? "gzip" : "identity";
}

/** The weight of each coding in lower case; 1 without a `q`, and for a malformed one. */
function parse(header: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const item of header.split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    if (name === "") continue;
    const [, q] =
      parameters.map((text) => /^q\s*=\s*([\d.]+)$/.exec(text)).find((found) => found !== null) ?? [];
    const weight = Number(q ?? 1);
    weights.set(name, Number.isNaN(weight) ? 1 : Math.min(Math.max(weight, 0), 1));
  }
  return weights;
}
