// The access token of the agent and of the commands that call it: from a file, or from the variable
// HOLDFAST_ACCESS_TOKEN. Never from the command line, which every user of the machine can read.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { messageOf } from "../../text.ts";
import { isUsableToken, MAX_TOKEN_LENGTH } from "../../token-format.ts";

export const TOKEN_VARIABLE = "HOLDFAST_ACCESS_TOKEN";

export interface FoundToken {
  readonly token: string;
  /** Its safety problems with their fixes, a line each. */
  readonly remarks: readonly string[];
}

/** Shorter tokens are reported as easy to guess. */
const SAFE_LENGTH = 16;
const READABLE_BY_ALL = 0o004;

/** The token in the file `path`, without the line break at its end. Throws commander's InvalidArgumentError. */
export function readTokenFile(path: string): FoundToken {
  let text: string;
  let mode: number;
  try {
    const fd = openSync(path, "r");
    try {
      mode = fstatSync(fd).mode;
      text = readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${messageOf(error)}.`);
  }
  const token = checkToken(text.replace(/\r?\n$/, ""));
  const isOpen = (mode & READABLE_BY_ALL) !== 0;
  const remark = `every user of this machine can read the access token in ${path}: chmod 600 ${path}`;
  return { token, remarks: [...(isOpen ? [remark] : []), ...remarksOnLength(token)] };
}

/** The token in the variable; undefined if it is empty or not set. Throws commander's InvalidArgumentError. */
export function tokenOfVariable(env: NodeJS.ProcessEnv): FoundToken | undefined {
  const token = env[TOKEN_VARIABLE];
  if (token === undefined || token === "") return undefined;
  return { token: checkToken(token), remarks: remarksOnLength(token) };
}

function checkToken(token: string): string {
  if (isUsableToken(token)) return token;
  throw new InvalidArgumentError(
    `An access token is one line of 1 to ${MAX_TOKEN_LENGTH} letters, digits and signs, without blanks.`,
  );
}

function remarksOnLength({ length }: string): string[] {
  if (length >= SAFE_LENGTH) return [];
  return [
    `the access token has ${length} characters, which can be guessed: give the agent one of 32 or more (openssl rand -hex 32)`,
  ];
}
