// Runs a command as any user through an agent, and returns its result.

import { type Code, ConnectError } from "@connectrpc/connect";
import { plainClient } from "../agent/running-processes.ts";

export interface CommandAnswer {
  /** Undefined if it ran to its end. */
  readonly code: Code | undefined;
  readonly message: string;
  /** Stdout, or the output of the terminal. */
  readonly stdout: string;
}

export async function answerOf(
  url: string,
  cmd: string,
  args: readonly string[],
  {
    user,
    uid,
    group,
    cwd,
    tag,
    pty = false,
  }: {
    readonly user?: string;
    readonly uid?: number;
    readonly group?: string;
    readonly cwd?: string;
    readonly tag?: string;
    readonly pty?: boolean;
  } = {},
): Promise<CommandAnswer> {
  const headers = new Headers();
  if (user !== undefined) headers.set("authorization", `Basic ${Buffer.from(`${user}:`).toString("base64")}`);
  let stdout = "";
  try {
    const config = { cmd, args: [...args], ...(cwd === undefined ? {} : { cwd }) };
    const labelled = {
      ...(tag === undefined ? {} : { tag }),
      ...(group === undefined ? {} : { group }),
      ...(uid === undefined ? {} : { uid }),
    };
    const size = pty ? { pty: { size: { cols: 80, rows: 24 } } } : {};
    for await (const { event } of plainClient(url).start(
      { process: config, ...size, ...labelled },
      { headers },
    )) {
      if (event?.event.case !== "data") continue;
      stdout += Buffer.from(event.event.value.output.value ?? []).toString();
    }
    return { code: undefined, message: "", stdout };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return { code, message: rawMessage, stdout };
  }
}
