// A transport over real HTTP that loses answers: the agent has done what it was asked, and the client does not learn of
// it.

import type { Interceptor, StreamResponse } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

/** `lose` is how many answers of each method get lost, the first ones: `{ SendInput: 1 }`. Of a stream, all of it. */
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
