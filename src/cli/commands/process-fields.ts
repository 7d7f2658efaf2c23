// The fields of a process for `--format`, with the names that docker's users know.

import type { ProcessInfo } from "../../client/index.ts";
import type { Fields } from "./format-template.ts";
import { age, commandText, stateOf, statusText, toJson } from "./process-rows.ts";

export const processFields = [
  ...["Pid", "ID", "Tag", "Names", "User", "State", "Status", "ExitCode", "Command", "Cwd", "Pty"],
  ...["CreatedAt", "RunningFor", "Bytes", "Held", "Subs", "Blocked"],
] as const;

export function toFields(info: ProcessInfo, nowMs: number): Fields {
  const { pid, processId, tag = "", user = "", exit, startedAt } = info;
  return {
    ".": toJson(info),
    Pid: pid,
    ID: processId,
    Tag: tag,
    // docker's name of the same.
    Names: tag,
    User: user,
    State: stateOf(info),
    Status: statusText(info),
    ExitCode: exit?.exitCode ?? "",
    Command: commandText(info),
    Cwd: info.cwd ?? "",
    Pty: info.isPty,
    CreatedAt: startedAt.toISOString(),
    RunningFor: age(nowMs - startedAt.getTime()),
    Bytes: info.offset,
    Held: info.heldBytes,
    Subs: info.subscribers,
    Blocked: info.blockedMs === undefined ? "" : age(info.blockedMs),
  };
}
