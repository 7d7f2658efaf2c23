// Requests that are RPCs of services or methods that this agent does not have. They are `unimplemented` in the format of
// their protocol: a bare 404 means to E2B's SDKs that a file does not exist.

import { Code } from "@connectrpc/connect";
import { type NodeRequest, pathOf, type Refusal } from "../../http/index.ts";
import { clip } from "../../text.ts";

/** `/package.Service/Method`. A package is demanded: the paths of other endpoints have no dot. */
const RPC_PATH = /^\/([\w]+(?:\.[\w]+)+)\/(\w+)$/;
const RPC_TYPES = /^application\/(?:json|proto|connect\+|grpc)/i;

/** Undefined for a request that is not an RPC. */
export function unknownRpc(request: NodeRequest, services: readonly string[]): Refusal | undefined {
  const [, service = "", method = ""] = RPC_PATH.exec(pathOf(request)) ?? [];
  if (service === "" || !RPC_TYPES.test(request.headers["content-type"] ?? "")) return undefined;
  const message = services.includes(service)
    ? `${service} has no RPC "${clip(method)}"`
    : `this agent has no service "${clip(service)}"; it has ${services.join(", ")}`;
  return { code: Code.Unimplemented, httpStatus: 404, message };
}
