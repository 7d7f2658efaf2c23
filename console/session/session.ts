// How this page is logged in. The token is in memory, and in sessionStorage of this tab if the user
// wants that, or if the token comes from a code: such a token ends with the agent or after 12
// hours. It is never in localStorage and never in an address.

export interface SessionInfo {
  readonly scopes: readonly string[];
  /** The token sees only these. */
  readonly processes?: readonly string[];
  readonly instanceId: string;
  readonly tokenRequired: boolean;
  readonly version: string;
}

export type LoginAnswer =
  | { readonly kind: "in"; readonly info: SessionInfo }
  /** The agent wants a token, or another one. */
  | { readonly kind: "refused" }
  | { readonly kind: "unreachable" };

const TOKEN_KEY = "holdfast.token";

/** The address of the agent: one level above the console. No slash at the end. */
export function agentUrl(): string {
  return new URL("..", location.href.replace(/#.*/s, "")).href.replace(/\/$/, "");
}

export function storedToken(): string | undefined {
  return sessionStorage.getItem(TOKEN_KEY) ?? undefined;
}

export function storeToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
}

/** Trades the one-time code of a link for a token. Undefined: the code is not valid any more. */
export async function tradeCode(code: string): Promise<string | undefined> {
  const response = await fetch(`${agentUrl()}/console/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  if (!response.ok) return undefined;
  const { token } = (await response.json()) as { token: string };
  return token;
}

/** The rights of `token`; also whether the agent needs one. */
export async function askSession(token: string | undefined, signal?: AbortSignal): Promise<LoginAnswer> {
  try {
    const response = await fetch(`${agentUrl()}/console/session`, {
      headers: tokenHeaders(token),
      ...(signal && { signal }),
    });
    if (response.status === 401 || response.status === 403) return { kind: "refused" };
    if (!response.ok) return { kind: "unreachable" };
    return { kind: "in", info: (await response.json()) as SessionInfo };
  } catch {
    // fetch gives no reason that could be shown.
    return { kind: "unreachable" };
  }
}

/** Ends a session that a code began; other tokens stay valid. */
export async function endSession(token: string | undefined): Promise<void> {
  storeToken(undefined);
  if (!token?.startsWith("hfs_")) return;
  await fetch(`${agentUrl()}/console/session`, { method: "DELETE", headers: tokenHeaders(token) }).catch(
    () => {
      // Unreachable: the token ends by itself.
    },
  );
}

export function tokenHeaders(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { "X-Access-Token": token };
}
