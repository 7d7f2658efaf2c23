// The environment of a process. Of the agent's own environment it gets only PATH.

import type { User } from "../../linux/index.ts";

/** TERM on a pty, unless the client sets it. */
const DEFAULT_TERM = "xterm-256color";

/**
 * Later wins: PATH of the agent, the user's variables, TERM on a pty, agent-wide ones, the
 * request's.
 */
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
