// `Content-Disposition: inline; filename=…`, as envd writes it: a token bare, spaces and specials in quotes, everything
// else percent-encoded as UTF-8 (RFC 5987).

const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const QUOTABLE = /^[\t\x20-\x7e]*$/;

export function contentDisposition(name: Buffer): string {
  const text = name.toString();
  if (TOKEN.test(text)) return `inline; filename=${text}`;
  if (QUOTABLE.test(text)) return `inline; filename="${text.replace(/["\\]/g, "\\$&")}"`;
  return `inline; filename*=utf-8''${percentEncoded(name)}`;
}

/** The characters that RFC 5987 allows stay. */
function percentEncoded(bytes: Buffer): string {
  return [...bytes]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[!#$&+\-.^_`|~\dA-Za-z]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}
