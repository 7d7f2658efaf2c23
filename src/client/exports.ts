// The exports of both entries of holdfast/client in addition to `createClient`.

export type { Clock, Timer } from "../clock.ts";
export {
  ClientError,
  type ClientErrorCode,
  DetachedError,
  FileChangedError,
  GapError,
  ProcessGoneError,
  RewoundError,
} from "./client-errors.ts";
export type * from "./files/types.ts";
export type * from "./types.ts";
