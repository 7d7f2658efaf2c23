// The token that the commands that talk to an agent send, if they are given one.
import { readTokenFile, tokenOfVariable } from "./access-token.ts";

const FILE_VARIABLE = "HOLDFAST_ACCESS_TOKEN_FILE";

/** As an option of createClient. The file wins, as it does for `serve`. Throws commander's InvalidArgumentError. */
export function clientToken(env: NodeJS.ProcessEnv): { token?: string } {
  const file = env[FILE_VARIABLE];
  const token = file === undefined || file === "" ? tokenOfVariable(env) : readTokenFile(file);
  return token === undefined ? {} : { token };
}
