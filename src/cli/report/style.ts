// Colours, where there is a terminal that has them and nobody said NO_COLOR.

/** SGR codes: on, off. */
const codes = { dim: [2, 22], yellow: [33, 39], green: [32, 39], red: [31, 39] } as const;

export function styled(style: keyof typeof codes, text: string, stream: NodeJS.WriteStream): string {
  // hasColors heeds NO_COLOR and TERM.
  if (stream.isTTY !== true || !stream.hasColors()) return text;
  const [on, off] = codes[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
