// The environment of a process: nothing of the agent's but PATH reaches it unasked.

import type { User } from "./user.ts";

/** What programs on a pty are told when the client does not say. */
const DEFAULT_TERM = "xterm-256color";

/** In this order, later wins: PATH of the agent, the user's own, TERM on a pty, agent-wide, the request's. */
export function processEnvironment(
  user: User,
  onPty: boolean,
  agentWide: Readonly<Record<string, string>>,
  requested: Readonly<Record<string, string>>,
): Record<string, string> {
  const path = process.env["PATH"];
  return {
    ...(path === undefined ? {} : { PATH: path }),
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    ...(onPty ? { TERM: DEFAULT_TERM } : {}),
    ...agentWide,
    ...requested,
  };
}
