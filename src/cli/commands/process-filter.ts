// `--filter KEY=VALUE` of `holdfast ps`. As in docker, values of one key are alternatives, and every key must match.

import { InvalidArgumentError } from "commander";
import type { ProcessInfo } from "../../client/index.ts";
import { commandText, stateOf } from "./process-rows.ts";

export interface Filter {
  readonly key: FilterKey;
  readonly value: string;
}

/** Names and tags match as a part, as in docker; so does the command. */
const matchers = {
  tag: ({ tag = "" }, value) => tag.includes(value),
  name: ({ tag = "" }, value) => tag.includes(value),
  status: (info, value) => statuses[value as Status](info),
  user: ({ user }, value) => user === value,
  pid: ({ pid }, value) => String(pid) === value,
  id: ({ processId }, value) => value !== "" && processId.startsWith(value),
  command: (info, value) => commandText(info).includes(value),
  exited: ({ exit }, value) => exit?.exited === true && String(exit.exitCode) === value,
} as const satisfies Record<string, (info: ProcessInfo, value: string) => boolean>;

export type FilterKey = keyof typeof matchers;
export const filterKeys = Object.keys(matchers) as readonly FilterKey[];

const statuses = {
  running: ({ exit }) => exit === undefined,
  unread: (info) => stateOf(info) === "unread",
  blocked: (info) => stateOf(info) === "blocked",
  exited: ({ exit }) => exit?.exited === true,
  killed: ({ exit }) => exit?.exited === false,
  ended: ({ exit }) => exit !== undefined,
} as const satisfies Record<string, (info: ProcessInfo) => boolean>;

type Status = keyof typeof statuses;
export const filterStatuses = Object.keys(statuses) as readonly Status[];

/** Collects the filters of a command line. */
export function readFilter(text: string, earlier: readonly Filter[] = []): Filter[] {
  const [, name = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(text) ?? [];
  const key = filterKeys.find((known) => known === name);
  if (key === undefined || !text.includes("="))
    throw new InvalidArgumentError(`A filter is KEY=VALUE; the keys are ${filterKeys.join(", ")}.`);
  if (key === "status" && !filterStatuses.some((known) => known === value))
    throw new InvalidArgumentError(`The status is one of ${filterStatuses.join(", ")}.`);
  if (["pid", "exited"].includes(key) && !/^\d+$/.test(value))
    throw new InvalidArgumentError(`The value of ${key} is a whole number.`);
  return [...earlier, { key, value }];
}

/** Whether the filters ask for ended processes, which are listed then without --all. */
export function wantsEnded(filters: readonly Filter[]): boolean {
  return filters.some(
    ({ key, value }) =>
      key === "exited" || (key === "status" && ["exited", "killed", "ended"].includes(value)),
  );
}

export function isMatch(info: ProcessInfo, filters: readonly Filter[]): boolean {
  const keys = new Set(filters.map(({ key }) => key));
  return [...keys].every((key) =>
    filters.some((filter) => filter.key === key && matchers[key](info, filter.value)),
  );
}
