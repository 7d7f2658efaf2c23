// All services of this agent, and who answers each.

import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { Process } from "../gen/process_pb.ts";
import type { LateRoutes } from "./adapter.ts";
import { healthRoutes } from "./grpc-health.ts";
import { type ProcessServiceOptions, processRoutes } from "./process-service.ts";

/** Written down here, because their schema is loaded late, too. test/wire/grpc-reflection.test.ts compares. */
const reflectionPaths = ["v1", "v1alpha"].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);

/** The paths of calls that may stay open, whichever side streams. */
export const streamingPaths: ReadonlySet<string> = new Set([
  ...[Process, Health].flatMap(({ typeName, methods }) =>
    methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => `/${typeName}/${name}`),
  ),
  ...reflectionPaths,
]);

export function serviceRoutes(options: ProcessServiceOptions): (router: ConnectRouter) => void {
  const routes = [processRoutes(options), healthRoutes(options.serving, [Process.typeName])];
  return (router) => {
    for (const addTo of routes) addTo(router);
  };
}

/** Few ask for it, and all agents would start later for it. */
export const reflection: LateRoutes = {
  paths: reflectionPaths,
  load: async () => {
    const { reflectionRoutes } = await import("./grpc-reflection.ts");
    return reflectionRoutes([Process.file, Health.file]);
  },
};
