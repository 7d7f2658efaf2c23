// The calls of both services, as http-rpc.ts and transport-rpc.ts make them.

import type { Client as RpcClient } from "@connectrpc/connect";
import type { Filesystem } from "../../gen/filesystem_pb.ts";
import type { Process } from "../../gen/process_pb.ts";

/** A call rejects with an AnswerError when it was answered with an error, and otherwise with the error of its connection. */
export interface Rpc extends Omit<RpcClient<typeof Process>, "streamInput"> {
  readonly filesystem: RpcClient<typeof Filesystem>;
}

/** The options of each call. */
export interface RpcOptions {
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  /** No limit: a transport's own default would end streams and, for a Start, the process. */
  readonly timeoutMs: 0;
}
