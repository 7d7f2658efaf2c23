// Server reflection: clients without a schema (grpcurl, buf curl) ask here for the services and their messages. Both
// versions of the protocol are served; their messages differ only in the package name.

import { create, type DescFile, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflectionRequestSchema as AlphaRequestSchema,
  ServerReflectionResponseSchema as AlphaResponseSchema,
  ServerReflection as AlphaServerReflection,
} from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { clip } from "../text.ts";
import { setStreamHeaders } from "./stream-headers.ts";

type Response = MessageInitShape<typeof ServerReflectionResponseSchema>;
type MessageResponse = NonNullable<Response["messageResponse"]>;

/** Reflection of all services in `files` and, as the protocol demands, of itself. */
export function reflectionRoutes(files: readonly DescFile[]): (router: ConnectRouter) => void {
  const schema = new ReflectedSchema([...files, ServerReflection.file, AlphaServerReflection.file]);
  return (router) => {
    router.service(ServerReflection, {
      serverReflectionInfo: async function* (requests, { responseHeader }) {
        setStreamHeaders(responseHeader);
        for await (const request of requests) yield answer(schema, request);
      },
    });
    router.service(AlphaServerReflection, {
      serverReflectionInfo: async function* (requests, { responseHeader }) {
        setStreamHeaders(responseHeader);
        for await (const request of requests) {
          const same = fromBinary(ServerReflectionRequestSchema, toBinary(AlphaRequestSchema, request));
          const response = create(ServerReflectionResponseSchema, answer(schema, same));
          yield fromBinary(AlphaResponseSchema, toBinary(ServerReflectionResponseSchema, response));
        }
      },
    });
  };
}

function answer(schema: ReflectedSchema, request: ServerReflectionRequest): Response {
  return {
    validHost: request.host,
    originalRequest: request,
    messageResponse: lookUp(schema, request.messageRequest),
  };
}

function lookUp(schema: ReflectedSchema, asked: ServerReflectionRequest["messageRequest"]): MessageResponse {
  switch (asked.case) {
    case "listServices":
      return {
        case: "listServicesResponse",
        value: { service: schema.services.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return fileResponse(schema.fileNamed(asked.value), `file "${clip(asked.value)}" is unknown`);
    case "fileContainingSymbol":
      return fileResponse(schema.fileWith(asked.value), `symbol "${clip(asked.value)}" is unknown`);
    case "fileContainingExtension":
      return errorResponse(Code.NotFound, `no extension of "${clip(asked.value.containingType)}" is known`);
    case "allExtensionNumbersOfType":
      // No type has extensions.
      return schema.fileWith(asked.value) === undefined
        ? errorResponse(Code.NotFound, `type "${clip(asked.value)}" is unknown`)
        : { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value } };
    default:
      return errorResponse(Code.InvalidArgument, "message_request is missing or of an unknown kind");
  }
}

function fileResponse(file: Uint8Array | undefined, otherwise: string): MessageResponse {
  if (file === undefined) return errorResponse(Code.NotFound, otherwise);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: [file] } };
}

/** The codes of Connect are those of gRPC. */
function errorResponse(errorCode: Code, errorMessage: string): MessageResponse {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** The files by name and by symbol, with the files that they import: clients ask for these by name. */
class ReflectedSchema {
  readonly services: readonly string[];
  readonly #byName = new Map<string, Uint8Array>();
  readonly #bySymbol = new Map<string, Uint8Array>();

  constructor(files: readonly DescFile[]) {
    this.services = files.flatMap((file) => file.services.map(({ typeName }) => typeName));
    for (const file of withImports(files)) {
      const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
      this.#byName.set(file.proto.name, bytes);
      for (const symbol of symbolsOf(file)) this.#bySymbol.set(symbol, bytes);
    }
  }

  fileNamed(name: string): Uint8Array | undefined {
    return this.#byName.get(name);
  }

  fileWith(symbol: string): Uint8Array | undefined {
    return this.#bySymbol.get(symbol);
  }
}

function withImports(files: readonly DescFile[]): ReadonlySet<DescFile> {
  const all = new Set(files);
  // A loop over a set also visits values that are added meanwhile.
  for (const file of all) for (const imported of file.dependencies) all.add(imported);
  return all;
}

/** Every symbol with a full name: types and their members. */
function symbolsOf(file: DescFile): string[] {
  return [...nestedTypes(file)].flatMap((type) => {
    switch (type.kind) {
      case "service":
        return [type.typeName, ...type.methods.map(({ name }) => `${type.typeName}.${name}`)];
      case "message":
        return [type.typeName, ...type.fields.map(({ name }) => `${type.typeName}.${name}`)];
      case "enum": {
        // An enum's values are in the scope of the enum, not inside it.
        const scope = type.typeName.replace(/[^.]*$/, "");
        return [type.typeName, ...type.values.map(({ name }) => `${scope}${name}`)];
      }
      default:
        return [type.typeName];
    }
  });
}
