// Decides which requests are answered without the library: Connect's protocol in the form that nearly all clients send.
// Everything else, and everything that the library refuses, goes to the library, so that only it knows those answers.

import type { DescMethod } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import type { NodeRequest } from "../../http/index.ts";
import type { Codec } from "../output/event-frames.ts";
import { answerCompression } from "../protocol/answer-compression.ts";
import { parseConnectTimeout } from "../request-headers.ts";

export interface CommonForm {
  readonly codec: Codec;
  /** The type of the answer also, if that is not an error of a unary call. */
  readonly contentType: string;
  /** Messages have envelopes. */
  readonly isStream: boolean;
  /** Of the answer: for messages of 1 KiB or more, if the client accepts any. */
  readonly compression: Compression | undefined;
  /** The client's limit. 0 means none. */
  readonly timeoutMs: number | undefined;
}

type Types = ReadonlyMap<string | undefined, Codec>;

const unaryTypes: Types = new Map([
  ["application/json", "json"],
  ["application/proto", "binary"],
]);
const streamTypes: Types = new Map([
  ["application/connect+json", "json"],
  ["application/connect+proto", "binary"],
]);

/** Undefined for a request that the library has to answer. `path` is that of `method`. */
export function commonForm(request: NodeRequest, path: string, method: DescMethod): CommonForm | undefined {
  const { headers } = request;
  if (request.method !== "POST" || request.url !== path || !hasAddress(request)) return undefined;
  const isStream = method.methodKind !== "unary";
  const contentType = headers["content-type"] ?? "";
  const codec = (isStream ? streamTypes : unaryTypes).get(contentType);
  if (codec === undefined) return undefined;
  const encoding = headers[isStream ? "connect-content-encoding" : "content-encoding"];
  if (encoding !== undefined && encoding !== "identity") return undefined;
  const limit = headers["connect-timeout-ms"];
  const timeoutMs = limit === undefined ? 0 : parseConnectTimeout(String(limit));
  if (timeoutMs === undefined) return undefined;
  const accepted = headers[isStream ? "connect-accept-encoding" : "accept-encoding"];
  const compression = answerCompression(accepted?.toString());
  return { codec, contentType, isStream, compression, timeoutMs: timeoutMs || undefined };
}

/** Whether the URL that the library makes of the request is one. */
function hasAddress(request: NodeRequest): boolean {
  const authority = "authority" in request ? request.authority : request.headers.host;
  return authority !== undefined && URL.canParse(`http://${authority}`);
}
