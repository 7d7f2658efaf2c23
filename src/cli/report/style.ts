// Colors, on terminals that have them, unless NO_COLOR is set.

/** SGR codes: on, off. */
const sgrCodes = { dim: [2, 22], yellow: [33, 39], green: [32, 39], red: [31, 39] } as const;

export function styled(style: keyof typeof sgrCodes, text: string, stream: NodeJS.WriteStream): string {
  // hasColors respects NO_COLOR and TERM.
  if (stream.isTTY !== true || !stream.hasColors()) return text;
  const [on, off] = sgrCodes[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
