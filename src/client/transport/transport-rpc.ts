// Calls over transports that the caller provides: with Connect-ES and Protobuf-ES. Their errors become those of this client.

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Filesystem } from "../../gen/filesystem_pb.ts";
import { Process } from "../../gen/process_pb.ts";
import type { ClientErrorCode } from "../client-errors.ts";
import { AnswerError } from "./answer-error.ts";
import type { Connection } from "./connection.ts";
import type { HttpClient } from "./http-client.ts";
import type { Rpc } from "./rpc.ts";

/** The contents of files go over `http`. */
export function givenConnection(
  transport: Transport | (() => Transport),
  http?: HttpClient | undefined,
): Connection {
  return {
    open: () => {
      const opened = typeof transport === "function" ? transport() : transport;
      return { rpc: rpcOverTransport(opened), http };
    },
    close: () => {
      // The caller owns its transports and closes them.
    },
  };
}

function rpcOverTransport(transport: Transport): Rpc {
  return {
    ...withOurErrors(createClient(Process, transport)),
    filesystem: withOurErrors(createClient(Filesystem, transport)),
  };
}

type Call = (...args: unknown[]) => Promise<unknown> | AsyncIterable<unknown>;

function withOurErrors<Calls extends object>(calls: Calls): Calls {
  const wrapped = Object.entries(calls).map(([name, call]: [string, Call]) => [name, wrap(call)]);
  return Object.fromEntries(wrapped);
}

function wrap(call: Call): Call {
  return (...args) => {
    const answer = call(...args);
    return answer instanceof Promise ? answer.catch(rethrow) : convertErrors(answer);
  };
}

async function* convertErrors(messages: AsyncIterable<unknown>): AsyncGenerator {
  try {
    yield* messages;
  } catch (error) {
    rethrow(error);
  }
}

/**
 * Connect-ES reports a broken connection with many codes, among them `invalid_argument` (a truncated message) and
 * `internal` (an HTTP/2 reset), which the agent also uses for refusals. One thing distinguishes them: an error that the
 * agent sent carries the response's headers.
 */
function rethrow(thrown: unknown): never {
  const error = ConnectError.from(thrown);
  if ([...error.metadata.keys()].length === 0) throw new Error(error.rawMessage, { cause: thrown });
  throw new AnswerError(clientCodes[error.code], error.rawMessage, {
    metadata: error.metadata,
    details: error.details.flatMap((detail) => ("type" in detail ? [detail] : [])),
    cause: error,
  });
}

const clientCodes: Readonly<Record<Code, ClientErrorCode>> = {
  [Code.Canceled]: "canceled",
  [Code.Unknown]: "unknown",
  [Code.InvalidArgument]: "invalid_argument",
  [Code.DeadlineExceeded]: "deadline_exceeded",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.PermissionDenied]: "permission_denied",
  [Code.ResourceExhausted]: "resource_exhausted",
  [Code.FailedPrecondition]: "failed_precondition",
  [Code.Aborted]: "aborted",
  [Code.OutOfRange]: "out_of_range",
  [Code.Unimplemented]: "unimplemented",
  [Code.Internal]: "internal",
  [Code.Unavailable]: "unavailable",
  [Code.DataLoss]: "data_loss",
  [Code.Unauthenticated]: "unauthenticated",
};
