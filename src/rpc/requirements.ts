// The scope that each RPC needs. Light: admission reads it before the RPCs are loaded. An RPC that
// is missing here needs the highest scope; test/wire/scopes.test.ts compares the table with the
// services.

import type { Requirement } from "../http/index.ts";

/** For observers; the answer shows only the processes of the token. */
const OBSERVE: Requirement = { scope: "observe", isForProcesses: true };
/** Changes one process that the request names. The call itself allows fewer signals without admin. */
const ATTACH: Requirement = { scope: "attach", isForProcesses: true };
/** The call itself checks the user. */
const RUN: Requirement = { scope: "run", isForProcesses: false };

const requirements: Readonly<Record<string, Requirement>> = {
  "/process.Process/List": OBSERVE,
  // Tokens without attach are observers, even if they do not ask for it.
  "/process.Process/Connect": OBSERVE,
  "/process.Process/Start": RUN,
  "/process.Process/Update": ATTACH,
  "/process.Process/StreamInput": ATTACH,
  "/process.Process/SendInput": ATTACH,
  "/process.Process/SendSignal": ATTACH,
  "/process.Process/CloseStdin": ATTACH,
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
