const MAX_BYTES = 100_000;

/**
 * The text that `OSC 52 ; SELECTION ; BASE64` copies. Undefined: it asks to read, or it is
 * malformed or too large.
 */
export function clipboardText(data: string): string | undefined {
  const [, selection, encoded = ""] = /^([cpqs0-7]*);([A-Za-z0-9+/=]*)$/.exec(data) ?? [];
  // An empty selection counts as the clipboard.
  const isClipboard = selection === "" || selection?.includes("c") || selection?.includes("s");
  if (!isClipboard || encoded === "" || encoded.length > (MAX_BYTES * 4) / 3 + 4) return undefined;
  try {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    return bytes.length > MAX_BYTES ? undefined : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Not base64, or not UTF-8.
    return undefined;
  }
}
