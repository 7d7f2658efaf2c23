// All services of this agent, and who answers each.

import type { ConnectRouter } from "@connectrpc/connect";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as AlphaServerReflection } from "../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Process } from "../gen/process_pb.ts";
import { healthRoutes } from "./grpc-health.ts";
import { reflectionRoutes } from "./grpc-reflection.ts";
import { type ProcessServiceOptions, processRoutes } from "./process-service.ts";

const services = [Process, Health, ServerReflection, AlphaServerReflection];

/** The paths of calls that may stay open, whichever side streams. */
export const streamingPaths: ReadonlySet<string> = new Set(
  services.flatMap(({ typeName, methods }) =>
    methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => `/${typeName}/${name}`),
  ),
);

export function serviceRoutes(options: ProcessServiceOptions): (router: ConnectRouter) => void {
  const routes = [
    processRoutes(options),
    healthRoutes(options.serving, [Process.typeName]),
    reflectionRoutes([Process.file, Health.file]),
  ];
  return (router) => {
    for (const addTo of routes) addTo(router);
  };
}
