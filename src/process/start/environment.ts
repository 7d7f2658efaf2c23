// The environment of a process. Of the agent's own environment it gets only PATH.

import type { User } from "../../linux/index.ts";

/**
 * TERM and LANG on a pty, unless the client sets them. Without a UTF-8 LANG, `less` shows bytes.
 */
const TERMINAL_VARIABLES = { TERM: "xterm-256color", LANG: "C.UTF-8" };

/**
 * Later wins: PATH of the agent, the user's variables, those of a terminal, agent-wide ones, the
 * request's.
 */
export function processEnvironment(
  user: User,
  onPty: boolean,
  agentWide: Readonly<Record<string, string>>,
  requested: Readonly<Record<string, string>>,
): Record<string, string> {
  const path = inheritedPath(process.env);
  return {
    ...(path === undefined ? {} : { PATH: path }),
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    ...(onPty ? TERMINAL_VARIABLES : {}),
    ...agentWide,
    ...requested,
  };
}

/**
 * PATH without the folders that npm adds in front of it for `npm start`: below a project that
 * anyone may write to, they would replace the commands of root.
 */
export function inheritedPath(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const path = env["PATH"];
  if (path === undefined || env["npm_lifecycle_event"] === undefined) return path;
  return path
    .split(":")
    .filter((entry) => !/\/node_modules\/\.bin$|\/node-gyp-bin$/.test(entry))
    .join(":");
}
