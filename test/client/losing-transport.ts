// A transport over real HTTP that loses answers: the agent carries out the call, and the client
// does not learn of it.

import type { Interceptor, StreamResponse } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

/**
 * `lose` says how many first answers of each method are lost: `{ SendInput: 1 }`. A stream is lost
 * as a whole.
 */
export function losingTransport(baseUrl: string, lose: Readonly<Record<string, number>>) {
  const left = new Map(Object.entries(lose));
  const sent = new Map<string, number>();
  const interceptor: Interceptor = (next) => async (request) => {
    const { name } = request.method;
    sent.set(name, (sent.get(name) ?? 0) + 1);
    const answer = await next(request);
    const more = left.get(name) ?? 0;
    if (more === 0) return answer;
    left.set(name, more - 1);
    if (answer.stream) await firstMessage(answer);
    throw new Error("the answer was lost");
  };
  return {
    transport: createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors: [interceptor] }),
    /** How often the method was called so far. */
    sent: (method: string) => sent.get(method) ?? 0,
  };
}

async function firstMessage(answer: StreamResponse): Promise<void> {
  await answer.message[Symbol.asyncIterator]().next();
}
