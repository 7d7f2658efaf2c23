export { AccessToken } from "./access-token.ts";
export type { ServerLimits } from "./limits.ts";
export type { ListenAddress } from "./listening.ts";
export { type RunningServer, type ServerOptions, startServer } from "./server.ts";
export type { TlsIdentity } from "./tls-front.ts";
