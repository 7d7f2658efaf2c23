// The format of an access token. The flags, the variable and POST /init check a new token with it.

export const MAX_TOKEN_LENGTH = 4096;

/** Whether clients can send `token` in a header. */
export function isUsableToken(token: string): boolean {
  return token.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(token);
}
