// The first steps of the page: exchange the code of a link, or take the stored token, and ask for
// its rights.

import { strings } from "../strings.ts";
import { formatRoute, parseLogin } from "./route.ts";
import { askSession, endSession, storedToken, storeToken, tradeCode } from "./session.ts";
import { client, connect, login, route } from "./state.ts";

export async function begin(): Promise<void> {
  const link = parseLogin(location.hash);
  if (link !== undefined) {
    // At once: the code must not stay in the history.
    history.replaceState(null, "", formatRoute(link.route));
    route.value = link.route;
    const token = await tradeCode(link.code).catch(() => undefined);
    if (token === undefined) {
      login.value = { kind: "out", problem: strings.codeRefused };
      return;
    }
    storeToken(token);
  }
  await enter(storedToken(), false);
}

/** `remember`: keep the token for this tab. Returns when the agent has answered. */
export async function enter(token: string | undefined, remember: boolean): Promise<void> {
  const wasAsked = login.value.kind === "out";
  const answer = await askSession(token);
  if (answer.kind === "in") {
    if (remember) storeToken(token);
    connect(token);
    login.value = { kind: "in", token, info: answer.info };
  } else if (answer.kind === "refused") {
    storeToken(undefined);
    const isRefused = wasAsked || token !== undefined;
    login.value = { kind: "out", ...(isRefused ? { problem: strings.tokenRefused } : {}) };
  } else {
    login.value = { kind: "out", problem: strings.unreachableTitle };
  }
}

/** The agent does not accept the token any more. */
export function sessionLost(): void {
  leave(strings.sessionEnded);
}

export function logOut(): void {
  const token = login.value.kind === "in" ? login.value.token : undefined;
  void endSession(token);
  leave();
}

function leave(problem?: string): void {
  storeToken(undefined);
  client.value?.close();
  client.value = undefined;
  login.value = { kind: "out", ...(problem === undefined ? {} : { problem }) };
}
