// The scope that each HTTP endpoint needs. An endpoint that is missing here needs the highest
// scope.

import { type NodeRequest, pathOf, type Requirement } from "../http/index.ts";
import { CONSOLE_PATH, SESSION_PATH } from "./console-paths.ts";

/** About the machine and all processes. */
const OBSERVE_ALL: Requirement = { scope: "observe", isForProcesses: false };
const OBSERVE: Requirement = { scope: "observe", isForProcesses: true };

/** Undefined: not in the table. */
export function endpointRequirement(request: NodeRequest): Requirement | "none" | "own" | undefined {
  const path = pathOf(request);
  const isRead = request.method === "GET" || request.method === "HEAD";
  // Shows only that the agent is there, which a client that can connect knows already.
  if (path === "/health") return isRead ? "none" : undefined;
  // Its token may be in the body.
  if (path === "/init") return request.method === "POST" ? "own" : undefined;
  if (path === "/metrics" || path === "/metrics/prometheus") return isRead ? OBSERVE_ALL : undefined;
  // A one-time code is in the body.
  if (path === SESSION_PATH) return request.method === "POST" ? "none" : OBSERVE;
  // Its files are the same for all.
  if (path.startsWith(CONSOLE_PATH) || `${path}/` === CONSOLE_PATH) return isRead ? "none" : undefined;
  return undefined;
}
