export { AccessToken, offeredToken } from "./admission/access-token.ts";
export { encodeGrpcMessage } from "./admission/grpc-message.ts";
export { type Refusal, refuse } from "./admission/refusal.ts";
export type { TlsIdentity } from "./connection/tls-front.ts";
export { closeIfUnread } from "./connection/unread-request.ts";
export {
  type HeaderReader,
  headerReader,
  isGoneClient,
  type NodeRequest,
  type NodeResponse,
  pathOf,
  type RequestListener,
} from "./exchange.ts";
export type { HttpLimits } from "./limits.ts";
export { takeInheritedSockets } from "./listen/inherited-sockets.ts";
export type { ListenAddress } from "./listen/listening.ts";
export { type RunningServer, type ServerOptions, startServer } from "./server.ts";
