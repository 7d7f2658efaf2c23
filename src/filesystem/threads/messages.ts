// The messages between the agent and a file thread.

import type { ErrorCode } from "../../errors.ts";

export interface ThreadSettings {
  /** Undefined: the rights of the agent. */
  readonly identity:
    | { readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
    | undefined;
  /** 32-bit numbers: how many steps were done, the id of the call to give up, how many parts the agent has taken. */
  readonly progress: SharedArrayBuffer;
  /** Of own-spools.ts. */
  readonly spools: SharedArrayBuffer;
  /** The file from which the thread resolves packages. */
  readonly resolveFrom: string;
}

export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly values: readonly unknown[];
}

export type AnswerMessage =
  | { readonly kind: "part"; readonly id: number; readonly part: unknown }
  | { readonly kind: "result"; readonly id: number; readonly result: unknown }
  | {
      readonly kind: "error";
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly errno: number;
    }
  /** A bug. */
  | { readonly kind: "bug"; readonly id: number; readonly error: unknown };

/** Of `ThreadSettings.progress`. */
export const STEPS = 0;
export const GIVEN_UP = 1;
export const TAKEN_PARTS = 2;
/** Parts on their way to the agent: more would wait in its memory, and be taken in one turn of its event loop. */
export const MAX_WAITING_PARTS = 2;
