// What a client may ask to be started, checked before anything is opened.

import { HoldfastError } from "../errors.ts";
import { checkPtySize, type PtySize } from "./pty.ts";

export interface StartRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** Whose process it becomes; the agent's own user where absent. */
  readonly user?: string | undefined;
  readonly tag?: string | undefined;
  readonly stdio:
    | { readonly kind: "pty"; readonly size: PtySize }
    /** `stdin` false: /dev/null. */
    | { readonly kind: "pipes"; readonly stdin: boolean };
  /** The process is killed this long after its start. Absent: never. Positive, up to 2^53. */
  readonly timeoutMs?: number | undefined;
}

/** Throws `invalid_argument` for what no machine could start. */
export function checkStartRequest(request: StartRequest): void {
  if (request.cmd === "")
    throw new HoldfastError("invalid_argument", "cmd is empty: name the command to run");
  refuseNul("cmd", request.cmd);
  for (const [index, arg] of request.args.entries()) refuseNul(`args[${index}]`, arg);
  refuseNul("cwd", request.cwd ?? "");
  refuseNul("user", request.user ?? "");
  refuseNul("tag", request.tag ?? "");
  for (const [name, value] of Object.entries(request.environment)) {
    if (name === "" || name.includes("="))
      throw new HoldfastError(
        "invalid_argument",
        `envs has the name "${name}": it must not be empty or hold "="`,
      );
    refuseNul(`the name of envs["${name}"]`, name);
    refuseNul(`envs["${name}"]`, value);
  }
  if (request.stdio.kind === "pty") checkPtySize(request.stdio.size);
}

/** C ends a string there: the rest would vanish without a word. */
function refuseNul(what: string, value: string): void {
  if (value.includes("\0"))
    throw new HoldfastError(
      "invalid_argument",
      `${what.replaceAll("\0", "\\0")} holds a NUL byte at ${value.indexOf("\0")}`,
    );
}
