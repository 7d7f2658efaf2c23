// The log lines for the start and the end of each process. Of the texts that a client sent they
// show only the tag: arguments, input and output may hold passwords. Commands are logged only if
// the operator asks for them.

import type { Logger } from "../../logger.ts";
import { clip } from "../../text.ts";
import type { ProcessEnd } from "../end-status.ts";
import type { Process } from "../process.ts";

/** How much of all arguments together a line shows, in UTF-16 units. */
const MAX_SHOWN = 200;

export class ProcessLog {
  readonly #logger: Logger;
  readonly #showsCommands: boolean;

  constructor(logger: Logger, showsCommands: boolean) {
    this.#logger = logger;
    this.#showsCommands = showsCommands;
  }

  started(process: Process): void {
    const { cmd, args, stdio } = process.request;
    const command = this.#showsCommands ? { cmd: clip(cmd), args: clipAll(args) } : {};
    this.#logger.info({ ...identityOf(process), stdio: stdio.kind, ...command }, "process started");
  }

  blocked(process: Process): void {
    this.#logger.warn(
      identityOf(process),
      "process is blocked in a write because no client reads its output; attach to it, or start it with the detached mode buffer or ring",
    );
  }

  ended(process: Process, end: ProcessEnd): void {
    const fields = {
      ...identityOf(process),
      bytes: process.output.head,
      duration_ms: Math.round(process.ageMs),
      exit: end.status,
      ...(process.deadlinePassed ? { timed_out: true } : {}),
    };
    this.#logger.info(fields, "process ended");
  }
}

/** The fields of every line about a process. */
export function identityOf({ processId, pid, user, request: { tag } }: Process): object {
  return { process_id: processId, pid, user, ...(tag === undefined ? {} : { tag: clip(tag) }) };
}

/** Together about as long as one clipped text. */
function clipAll(texts: readonly string[]): string[] {
  const shown: string[] = [];
  let length = 0;
  for (const text of texts) {
    if (length > MAX_SHOWN) return [...shown, `… ${texts.length - shown.length} more`];
    shown.push(clip(text));
    length += text.length;
  }
  return shown;
}
