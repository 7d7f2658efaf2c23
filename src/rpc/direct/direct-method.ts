// The methods that can be answered without the library, each with its implementation and the library's own codecs.

import { create, type DescMethod, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import type { MethodImpl } from "@connectrpc/connect";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import type { Codec } from "../output/event-frames.ts";
import type { RpcContext } from "../protocol/call-context.ts";
import { type LongBytesDecode, longBytesDecode } from "../protocol/json-bytes.ts";

/** A message to send, which may leave fields out. */
export type Answer = MessageInitShape<DescMethod["output"]>;

type Implementation =
  | { readonly kind: "unary"; readonly call: (request: Message, context: RpcContext) => Promise<Answer> }
  | {
      readonly kind: "server stream";
      readonly call: (request: Message, context: RpcContext) => AsyncIterable<Answer>;
    }
  | {
      readonly kind: "client stream";
      readonly call: (requests: AsyncIterable<Message>, context: RpcContext) => Promise<Answer>;
    };

export interface DirectMethod {
  readonly path: string;
  readonly method: DescMethod;
  readonly implementation: Implementation;
  /** For JSON messages of this method, if they can hold long values of `bytes`. */
  readonly decodeLong: LongBytesDecode | undefined;
  /** Throws for a message that the library refuses. */
  decode(bytes: Uint8Array, codec: Codec): Message;
  encode(answer: Answer, codec: Codec): Uint8Array;
}

type Serialization = Parameters<typeof createMethodSerializationLookup>;

export interface CodecOptions {
  readonly binary: Serialization[1];
  readonly json: Serialization[2];
  readonly limits: Serialization[3];
}

/** `handle` uses nothing of its context but `RpcContext`. Undefined for a method that streams in both directions. */
export function directMethod(
  method: DescMethod,
  handle: MethodImpl<DescMethod>,
  { binary, json, limits }: CodecOptions,
): DirectMethod | undefined {
  const implementation = implementationOf(method, handle);
  if (implementation === undefined) return undefined;
  const { getI, getO } = createMethodSerializationLookup(method, binary, json, limits);
  const decodeJson = (bytes: Uint8Array) => getI(false).parse(bytes);
  const decodeLong = longBytesDecode(method.input, decodeJson);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    method,
    implementation,
    decodeLong,
    decode: (bytes, codec) =>
      codec === "binary" ? getI(true).parse(bytes) : (decodeLong?.(bytes) ?? decodeJson(bytes)),
    encode: (answer, codec) => getO(codec === "binary").serialize(create(method.output, answer)),
  };
}

function implementationOf(
  { methodKind }: DescMethod,
  handle: MethodImpl<DescMethod>,
): Implementation | undefined {
  // The types of the library do not connect the kind of a method with that of its implementation.
  if (methodKind === "unary") return { kind: "unary", call: handle as never };
  if (methodKind === "server_streaming") return { kind: "server stream", call: handle as never };
  if (methodKind === "client_streaming") return { kind: "client stream", call: handle as never };
  return undefined;
}
