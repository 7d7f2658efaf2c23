// The report for scripts: see report.ts. The names are the wire's.
import { isUtf8 } from "node:buffer";
import { type Report, writeOut } from "./report.ts";

export function jsonReport(): Report {
  const write = (event: string, fields: object): Promise<void> =>
    writeOut(process.stdout, `${JSON.stringify({ event, ...fields })}\n`);
  /** For what comes at any time: a reader that has gone is noticed at the next event. */
  const note = (event: string, fields: object): void => {
    write(event, fields).catch(() => undefined);
  };
  return {
    attached: ({ pid, processId, isPty, offset }) =>
      write("start", { pid, process_id: processId, pty: isPty, offset }),
    data: ({ kind, data, offset }) => write("data", { stream: kind, offset, ...content(data) }),
    gap: ({ from, to }) => write("gap", { from, to }),
    lost: (reason) => note("reconnecting", { reason }),
    back: (offset) => note("reconnected", { offset }),
    trouble: (message) => note("trouble", { message }),
    detached: ({ offset }) => note("detached", { offset }),
    ended: ({ exitCode, exited, status, signal, offset }) =>
      write("end", { exit_code: exitCode, exited, status, signal: signal ?? null, offset }),
  };
}

/** A chunk may begin or end within a character: what is not text by itself is base64. */
function content(data: Uint8Array): { readonly text: string } | { readonly base64: string } {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return isUtf8(bytes) ? { text: bytes.toString("utf8") } : { base64: bytes.toString("base64") };
}
