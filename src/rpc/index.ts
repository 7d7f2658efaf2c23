export { AccessToken, offeredToken } from "./access-token.ts";
export { type NodeRequest, pathOf, type RequestListener } from "./adapter.ts";
export type { NodeResponse } from "./frame-sink.ts";
export type { ServerLimits } from "./limits.ts";
export type { ListenAddress } from "./listening.ts";
export { type RunningServer, type ServerOptions, startServer } from "./server.ts";
export { createServerStatistics, type ServerStatistics } from "./server-statistics.ts";
export type { TlsIdentity } from "./tls-front.ts";
export { closeIfUnread } from "./unread-request.ts";
