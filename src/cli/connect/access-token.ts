// The access token of the agent and of the commands that call it: from a file, or from the variable
// HOLDFAST_ACCESS_TOKEN. Never from the command line, which every user of the machine can read.

import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { messageOf } from "../../text.ts";
import { isUsableToken, MAX_TOKEN_LENGTH } from "../../token-format.ts";

export const TOKEN_VARIABLE = "HOLDFAST_ACCESS_TOKEN";
const FILE_VARIABLE = "HOLDFAST_ACCESS_TOKEN_FILE";

/** The token for createClient. The file wins, as for `serve`. Throws commander's InvalidArgumentError. */
export function clientToken(env: NodeJS.ProcessEnv): { token?: string } {
  const file = env[FILE_VARIABLE];
  const token = file === undefined || file === "" ? tokenOfVariable(env) : readTokenFile(file);
  return token === undefined ? {} : { token };
}

/** The token in the file `path`, without the line break at its end. Throws commander's InvalidArgumentError. */
export function readTokenFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${messageOf(error)}.`);
  }
  return checkToken(text.replace(/\r?\n$/, ""));
}

/** The token in the variable; undefined if it is empty or not set. Throws commander's InvalidArgumentError. */
export function tokenOfVariable(env: NodeJS.ProcessEnv): string | undefined {
  const token = env[TOKEN_VARIABLE];
  return token === undefined || token === "" ? undefined : checkToken(token);
}

function checkToken(token: string): string {
  if (isUsableToken(token)) return token;
  throw new InvalidArgumentError(
    `An access token is one line of 1 to ${MAX_TOKEN_LENGTH} letters, digits and signs, without blanks.`,
  );
}
