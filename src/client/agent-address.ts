// The ways to write an agent's address, for the client and for the command line. Imports nothing, so that a command's help
// does not load the client.

/** The agent's default port. */
export const AGENT_PORT = 49983;

/** The size of sockaddr_un's path without the NUL at its end. */
export const MAX_SOCKET_PATH_BYTES = 107;

export interface AgentAddress {
  /** With scheme, host and port, without a slash at the end. */
  readonly baseUrl: string;
  /** The Unix socket to connect to instead of the host. */
  readonly socketPath?: string;
}

/**
 * "http://host:49983", also with https: and a path; "host:49983" or "host", which mean http and the
 * default port; "unix:/path". Undefined for everything else.
 */
export function parseAgentAddress(text: string): AgentAddress | undefined {
  if (text.startsWith("unix:")) return unixAddress(text.slice("unix:".length));
  const url = /^https?:\/\//i.test(text) ? text : urlOfHost(text);
  if (url === undefined || !isBareUrl(url)) return undefined;
  return { baseUrl: url.replace(/^[^:]+/, (scheme) => scheme.toLowerCase()).replace(/\/+$/, "") };
}

/** The same address, always written with its scheme. */
export function addressText({ baseUrl, socketPath }: AgentAddress): string {
  return socketPath === undefined ? baseUrl : `unix:${socketPath}`;
}

function unixAddress(path: string): AgentAddress | undefined {
  const isUsable = /^\/.*[^/]$/s.test(path) && !path.includes("\0");
  if (!isUsable || new TextEncoder().encode(path).length > MAX_SOCKET_PATH_BYTES) return undefined;
  return { baseUrl: "http://localhost", socketPath: path };
}

/** A number alone is rather a port than a host. */
function urlOfHost(text: string): string | undefined {
  const [, host, port] = /^(\[[\da-f:.]+\]|[\w-][\w.-]*)(?::(\d{1,5}))?$/i.exec(text) ?? [];
  if (host === undefined || /^\d+$/.test(host)) return undefined;
  return `http://${host}:${port ?? AGENT_PORT}`;
}

/** Nothing in front of the host and nothing behind the path, not even an empty query. URL drops blanks: they are none here. */
function isBareUrl(text: string): boolean {
  if (/[\s?#]/.test(text) || !URL.canParse(text)) return false;
  const { hostname, username, password } = new URL(text);
  return hostname !== "" && username === "" && password === "";
}
