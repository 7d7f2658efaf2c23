// The scope that each RPC needs. Light: admission reads it before the RPCs are loaded. An RPC that
// is missing here needs the highest scope; test/wire/scopes.test.ts compares the table with the
// services.

import { HIGHEST, type Requirement } from "../http/index.ts";

/** For observers; the answer shows only the processes of the token. */
const OBSERVE: Requirement = { scope: "observe", isForProcesses: true };
/** Changes one process that the request names. */
const CHANGE: Requirement = { scope: "admin", isForProcesses: true };

const requirements: Readonly<Record<string, Requirement>> = {
  "/process.Process/List": OBSERVE,
  // All others than admin are observers, even if they do not ask for it.
  "/process.Process/Connect": OBSERVE,
  "/process.Process/Start": HIGHEST,
  "/process.Process/Update": CHANGE,
  "/process.Process/StreamInput": CHANGE,
  "/process.Process/SendInput": CHANGE,
  "/process.Process/SendSignal": CHANGE,
  "/process.Process/CloseStdin": CHANGE,
  "/grpc.health.v1.Health/Check": OBSERVE,
  "/grpc.health.v1.Health/Watch": OBSERVE,
  "/grpc.health.v1.Health/List": OBSERVE,
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": OBSERVE,
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": OBSERVE,
};

/** Undefined: not in the table. */
export function rpcRequirement(path: string): Requirement | undefined {
  return Object.hasOwn(requirements, path) ? requirements[path] : undefined;
}
