// The body of POST /upgrade, and the part of the agent that the endpoint needs.

import { HoldfastError } from "../errors.ts";

export interface UpgradeControl {
  /** The body of GET /upgrade. */
  readonly status: object;
  /** Resolves when the next version was tried and will be executed soon; see src/handover. */
  begin(file: string | undefined): Promise<void>;
}

/** The file that the body names: `{"to": "/path"}`. Undefined: the file that the agent was started from. */
export function fileToUpgradeTo(body: string): string | undefined {
  if (body.trim() === "") return undefined;
  const fields = parse(body);
  const unknown = Object.keys(fields).find((name) => name !== "to");
  if (unknown !== undefined)
    throw new HoldfastError(
      "invalid_argument",
      `unknown field ${JSON.stringify(unknown)}; the body is {"to": "/path"}`,
    );
  const to = Reflect.get(fields, "to") as unknown;
  if (to === undefined || (typeof to === "string" && to.startsWith("/") && !to.includes("\0"))) return to;
  throw new HoldfastError(
    "invalid_argument",
    `to: must be an absolute path: ${JSON.stringify(to).slice(0, 200)}`,
  );
}

function parse(body: string): object {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new HoldfastError("invalid_argument", 'the body is not JSON; it is {"to": "/path"} or empty', {
      cause,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new HoldfastError("invalid_argument", 'the body must be a JSON object: {"to": "/path"}');
}
