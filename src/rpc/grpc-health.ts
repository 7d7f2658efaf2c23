// grpc.health.v1.Health, by which gRPC clients, load balancers and Kubernetes ask whether the agent takes work. The words
// and the behaviour are those of https://github.com/grpc/grpc/blob/master/doc/health-checking.md.

import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import type { ServingState } from "./serving-state.ts";

/** `services`: the full names of those whose health is the agent's own. */
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
        throw new ConnectError(`no service "${service}"`, Code.NotFound);
      },
      list: () => ({
        statuses: Object.fromEntries(["", ...services].map((service) => [service, statusNow()])),
      }),
      watch: async function* ({ service }, { signal }) {
        yield isKnown(service) ? statusNow() : { status: Status.SERVICE_UNKNOWN };
        if (state.isStopping) return;
        await state.stopped(signal);
        // Ended then, so that it does not hold up the agent's end: clients ask again.
        if (isKnown(service) && !signal.aborted) yield statusNow();
      },
    });
  };
}
