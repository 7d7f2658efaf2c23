// The events of one Start or Connect stream, collected as they arrive; every wait has a deadline.

import type { ConnectResponse, ProcessEvent_EndEvent, StartResponse } from "../../../src/gen/process_pb.ts";
import { inTime } from "../deadline.ts";

type OutputName = "stdout" | "stderr" | "pty";

export interface Received {
  /** The kinds of events so far, in order; a run of one kind counts once. */
  readonly kinds: readonly string[];
  keepalives(): number;
  bytes(output: OutputName): Buffer;
  text(output: OutputName): string;
  /** Resolves with the pid, after the start event. */
  started(): Promise<number>;
  /**
   * Resolves when `look` is true. Rejects when the stream ends before, and at the deadline, with
   * the state.
   */
  until(look: (received: Received) => boolean): Promise<void>;
  /**
   * Resolves with the end event once the stream has ended cleanly after it. Rejects with the
   * stream's error.
   */
  ended(): Promise<ProcessEvent_EndEvent>;
  /** Resolves with the stream's error. Rejects if the stream ends cleanly. */
  failed(): Promise<unknown>;
}

export function receive(stream: AsyncIterable<StartResponse | ConnectResponse>): Received {
  const kinds: string[] = [];
  const output: Record<OutputName, Buffer[]> = { stdout: [], stderr: [], pty: [] };
  let keepalives = 0;
  let pid: number | undefined;
  let end: ProcessEvent_EndEvent | undefined;
  const waiting = new Set<() => void>();

  const take = ({ event }: StartResponse | ConnectResponse): void => {
    const kind = event?.event.case ?? "nothing";
    if (kinds.at(-1) !== kind) kinds.push(kind);
    if (event?.event.case === "start") pid = event.event.value.pid;
    if (event?.event.case === "keepalive") keepalives++;
    if (event?.event.case === "end") end = event.event.value;
    if (event?.event.case === "data" && event.event.value.output.case !== undefined)
      output[event.event.value.output.case].push(Buffer.from(event.event.value.output.value));
    for (const look of [...waiting]) look();
  };
  const over = (async () => {
    for await (const response of stream) take(response);
  })();
  // The waits below report it; until then it must not count as unhandled.
  over.catch(() => undefined);

  const bytes = (name: OutputName): Buffer => Buffer.concat(output[name]);
  const state = (): string =>
    JSON.stringify({ pid, kinds, keepalives, end }, (_, value) =>
      typeof value === "bigint" ? `${value}` : value,
    ) +
    Object.keys(output).map((name) => {
      const all = bytes(name as OutputName);
      return `\n  ${name}: ${all.length} bytes, last ${JSON.stringify(all.subarray(-200).toString("latin1"))}`;
    });

  const received: Received = {
    kinds,
    keepalives: () => keepalives,
    bytes,
    text: (name) => bytes(name).toString(),
    started: async () => {
      await received.until(() => pid !== undefined);
      return pid ?? 0;
    },
    until: (look) => {
      let stop = (): void => undefined;
      const seen = new Promise<void>((resolve) => {
        const check = (): void => {
          if (look(received)) resolve();
        };
        stop = () => void waiting.delete(check);
        waiting.add(check);
        check();
      });
      const never = over.then(() => Promise.reject(new Error(`ended without it: ${state()}`)));
      return inTime(Promise.race([seen, never]), state).finally(stop);
    },
    ended: async () => {
      await inTime(over, state);
      if (end === undefined) throw new Error(`the stream ended without an end event: ${state()}`);
      return end;
    },
    failed: () =>
      inTime(
        over.then(
          () => Promise.reject(new Error(`the stream ended cleanly: ${state()}`)),
          (error: unknown) => error,
        ),
        state,
      ),
  };
  return received;
}
