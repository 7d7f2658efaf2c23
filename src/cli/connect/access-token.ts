// The access token of the agent and of the commands that call it: from a file, or from the variable
// HOLDFAST_ACCESS_TOKEN. Never from the command line, which every user of the machine can read.

import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { messageOf } from "../../text.ts";
import { isUsableToken, MAX_TOKEN_LENGTH } from "../../token-format.ts";

export const TOKEN_VARIABLE = "HOLDFAST_ACCESS_TOKEN";

/** The token in the file `path`, without the line break at its end. Throws commander's InvalidArgumentError. */
export function readTokenFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${messageOf(error)}.`);
  }
  return checkToken(withoutLineBreak(text));
}

/** The token in the variable; undefined if it is empty or not set. Throws commander's InvalidArgumentError. */
export function tokenOfVariable(env: NodeJS.ProcessEnv): string | undefined {
  const token = env[TOKEN_VARIABLE];
  return token === undefined || token === "" ? undefined : checkToken(token);
}

/** Editors and `echo` put a line break at the end. */
export function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/** Throws commander's InvalidArgumentError. */
export function checkToken(token: string): string {
  if (isUsableToken(token)) return token;
  throw new InvalidArgumentError(
    `An access token is one line of 1 to ${MAX_TOKEN_LENGTH} letters, digits and signs, without blanks.`,
  );
}
