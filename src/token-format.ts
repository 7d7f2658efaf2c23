// What an access token may look like, for whoever sets one: the agent's flags, its variable and POST /init.

export const MAX_TOKEN_LENGTH = 4096;

/** Whether clients could send `token` at all: what no header can carry would match no client's. */
export function isUsableToken(token: string): boolean {
  return token.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(token);
}
