// A client that starts a process and leaves as soon as it runs.

import type { JsonValue } from "@bufbuild/protobuf";
import { openConnection, requestBytes } from "./raw-http.ts";
import { type Answer, encodeBody } from "./rpc-call.ts";

/** `message` is a StartRequest. Rejects if the connection is cut before the answer. */
export async function startAndLeave(
  port: number,
  message: JsonValue,
  headers: Readonly<Record<string, string>> = {},
): Promise<Pick<Answer, "code" | "message">> {
  const connection = await openConnection(port);
  try {
    const body = encodeBody("Connect JSON", "Start", [message]);
    const all = { "content-type": "application/connect+json", ...headers };
    connection.send(requestBytes({ path: "/process.Process/Start", headers: all, body }));
    return await connection.until("a start event, or an error", (received) => answerIn(received.toString()));
  } finally {
    connection.cut();
  }
}

function answerIn(received: string): Pick<Answer, "code" | "message"> | undefined {
  if (received.includes('{"event":{"start":')) return { code: "ok", message: "" };
  const [, error] = /\{"error":(\{.*\})\}/.exec(received) ?? [];
  return error === undefined ? undefined : (JSON.parse(error) as { code: string; message: string });
}
