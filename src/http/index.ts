export { AccessToken, offeredToken } from "./admission/access-token.ts";
export {
  Credentials,
  digestOf,
  grantOf,
  SESSION_PREFIX,
  type TokenSource,
  type Verdict,
} from "./admission/credentials.ts";
export { FULL_GRANT, Grant, type Scope } from "./admission/grant.ts";
export { endWithGrant } from "./admission/granted-answer.ts";
export { encodeGrpcMessage, type Refusal, refuse } from "./admission/refusal.ts";
export { HIGHEST, type Requirement, type RequirementOf } from "./admission/requirement.ts";
export { TokenFile } from "./admission/token-file.ts";
export {
  type BusyConnection,
  type ConnectionState,
  connectionState,
  type ServerState,
  serverDescriptors,
} from "./carried-connections.ts";
export { hasLastAnswer } from "./connection/early-answer.ts";
export { Pace } from "./connection/pace.ts";
export { type EarlyBytes, keepEarly } from "./connection/sent-ahead.ts";
export type { TlsIdentity } from "./connection/tls-entry.ts";
export { unsentOn } from "./connection/unsent-bytes.ts";
export {
  COMPRESSED_FLAG,
  END_STREAM_FLAG,
  enveloped,
  envelopeHead,
  HEAD_BYTES,
  TRAILER_FLAG,
} from "./envelope.ts";
export {
  type HeaderReader,
  headerBytesOf,
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
export { type Query, queryOf } from "./query.ts";
export { MAX_IDLE_IN_SHORT_MEMORY, type RunningServer, type ServerOptions, startServer } from "./server.ts";
