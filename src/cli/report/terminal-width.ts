// The size of a terminal. Node asks the kernel only at SIGWINCH, which goes to the foreground: `columns` and `rows` are old
// after this command was suspended and the window got another size.

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * The present size. Undefined for anything but a terminal, and for one whose size was never set: it has 0 columns (serial
 * lines, `script` without a terminal). The stream emits "resize" before this returns if the size has changed.
 */
export function sizeOf(stream: NodeJS.WriteStream): TerminalSize | undefined {
  if (stream.isTTY !== true) return undefined;
  // What Node does at SIGWINCH. getWindowSize returns the same numbers as `columns` and `rows`.
  const refresh: unknown = Reflect.get(stream, "_refreshSize");
  if (typeof refresh === "function") Reflect.apply(refresh, stream, []);
  const { columns, rows } = stream;
  return columns > 0 && rows > 0 ? { columns, rows } : undefined;
}

/** As sizeOf. */
export function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return sizeOf(stream)?.columns;
}

/** Whether `stream` is a terminal that moves its cursor. A dumb one (an editor's shell, an old console) prints the sequences. */
export function canDraw(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}
