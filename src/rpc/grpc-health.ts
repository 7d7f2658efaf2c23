// grpc.health.v1.Health: gRPC clients, load balancers and Kubernetes ask here whether the agent accepts work. Statuses and
// behaviour follow https://github.com/grpc/grpc/blob/master/doc/health-checking.md.

import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import { clip } from "../text.ts";
import type { ServingState } from "./serving-state.ts";
import { setStreamHeaders } from "./stream-headers.ts";

/** `services`: the full names of the services that share the agent's health. */
export function healthRoutes(
  state: ServingState,
  services: readonly string[],
): (router: ConnectRouter) => void {
  const statusNow = () => ({ status: state.isStopping ? Status.NOT_SERVING : Status.SERVING });
  // The empty name means the agent as a whole.
  const isKnown = (service: string) => service === "" || services.includes(service);
  return (router) => {
    router.service(Health, {
      check: ({ service }) => {
        if (isKnown(service)) return statusNow();
        throw new ConnectError(`service "${clip(service)}" is unknown`, Code.NotFound);
      },
      list: () => ({
        statuses: Object.fromEntries(["", ...services].map((service) => [service, statusNow()])),
      }),
      watch: async function* ({ service }, { signal, responseHeader }) {
        setStreamHeaders(responseHeader);
        yield isKnown(service) ? statusNow() : { status: Status.SERVICE_UNKNOWN };
        if (state.isStopping) return;
        await state.stopped(signal);
        // The stream ends here: an open stream would delay the agent's end. Clients ask again.
        if (isKnown(service) && !signal.aborted) yield statusNow();
      },
    });
  };
}
