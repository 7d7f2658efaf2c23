/** In columns. Undefined for anything but a terminal, and for one whose size was never set: it has 0 columns. */
export function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY ? stream.columns || undefined : undefined;
}
