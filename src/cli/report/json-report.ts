// The report for scripts, see report.ts. Uses the names of the wire.

import { isUtf8 } from "node:buffer";
import type { OutputTime } from "../../client/index.ts";
import { type Report, writeOut } from "./report.ts";

export function jsonReport(): Report {
  const write = (event: string, fields: object): Promise<void> =>
    writeOut(process.stdout, `${JSON.stringify({ event, ...fields })}\n`);
  /** For calls at any time. If the reader is gone, the next `write` reports it. */
  const writeLater = (event: string, fields: object): void => {
    write(event, fields).catch(() => undefined);
  };
  return {
    attached: ({ pid, processId, isPty, offset }) =>
      write("start", { pid, process_id: processId, pty: isPty, offset }),
    data: ({ kind, data, offset, times }) =>
      write("data", { stream: kind, offset, ...content(data), ...(times && { times: times.map(toTime) }) }),
    gap: ({ from, to }) => write("gap", { from, to }),
    lost: (reason) => writeLater("reconnecting", { reason }),
    gone: (reason) => writeLater("trouble", { message: `the agent has ended: ${reason}` }),
    back: (offset) => writeLater("reconnected", { offset }),
    problem: (message) => writeLater("trouble", { message }),
    stopping: (reason, graceMs) => writeLater("agent_stopping", { reason, grace_ms: graceMs }),
    detached: ({ offset }) => writeLater("detached", { offset }),
    ended: ({ exitCode, exited, status, signal, timedOut, offset }) =>
      write("end", {
        ...{ exit_code: exitCode, exited, status, signal: signal ?? null, offset },
        ...(timedOut ? { timed_out: true } : {}),
      }),
  };
}

function toTime({ offset, at, withinMs }: OutputTime): object {
  return { offset, time: at.toISOString(), within_ms: withinMs };
}

/** A chunk can begin or end inside a character. Bytes that are not valid UTF-8 become base64. */
function content(data: Uint8Array): { readonly text: string } | { readonly base64: string } {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return isUtf8(bytes) ? { text: bytes.toString("utf8") } : { base64: bytes.toString("base64") };
}
