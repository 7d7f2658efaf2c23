// All services of this agent and their routes.

import type { ConnectRouter } from "@connectrpc/connect";
import { Filesystem } from "../gen/filesystem_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { Process } from "../gen/process_pb.ts";
import { type FilesystemServiceOptions, filesystemRoutes } from "./filesystem/filesystem-service.ts";
import { healthRoutes } from "./grpc-health.ts";
import type { RequestKind } from "./memory/request-limit.ts";
import { type ProcessServiceOptions, processRoutes } from "./process/process-service.ts";
import type { LateRoutes } from "./protocol/adapter.ts";

/** Written here because the schema of reflection is loaded late. test/wire/grpc-reflection.test.ts compares the two. */
const reflectionPaths = ["v1", "v1alpha"].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);

/** The paths of calls in which a side streams, so that they may stay open. */
export const streamingPaths: ReadonlySet<string> = new Set([
  ...[Process, Filesystem, Health].flatMap(({ typeName, methods }) =>
    methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => `/${typeName}/${name}`),
  ),
  ...reflectionPaths,
]);

/** By path, where it is not `call`. */
const requestKinds: ReadonlyMap<string, RequestKind> = new Map([
  ...[...streamingPaths].map((path) => [path, "stream"] as const),
  [`/${Process.typeName}/${Process.method.streamInput.name}`, "upload"],
  ...(["sendSignal", "closeStdin", "update"] as const).map(
    (name) => [`/${Process.typeName}/${Process.method[name].name}`, "control"] as const,
  ),
  [`/${Process.typeName}/${Process.method.list.name}`, "list"],
]);

/** How a request to `path` counts, see RequestLimit. */
export function requestKindOf(path: string): RequestKind {
  return requestKinds.get(path) ?? "call";
}

/** The paths of calls that clients make most often, and for which the library costs most beside their own work. */
export const directPaths: ReadonlySet<string> = new Set(
  ["Start", "Connect", "SendInput", "StreamInput", "List"].map((name) => `/${Process.typeName}/${name}`),
);

export function serviceRoutes(
  options: ProcessServiceOptions & FilesystemServiceOptions,
): (router: ConnectRouter) => void {
  const routes = [
    processRoutes(options),
    filesystemRoutes(options),
    healthRoutes(options.serving, [Process.typeName, Filesystem.typeName]),
  ];
  return (router) => {
    for (const addTo of routes) addTo(router);
  };
}

/** Loaded at the first call: few clients use it, and loading it would delay the start of every agent. */
export const reflection: LateRoutes = {
  paths: reflectionPaths,
  load: async () => {
    const { reflectionRoutes } = await import("./grpc-reflection.ts");
    return reflectionRoutes([Process.file, Filesystem.file, Health.file]);
  },
};
