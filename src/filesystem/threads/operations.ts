// Everything that file threads can do, by name. An operation is synchronous: it runs on its own
// thread, with the rights of that thread. It takes and returns plain values (numbers, texts, buffers;
// descriptors are valid in the whole agent) and throws FileErrors.

import { changeOperations } from "../changes/change-operations.ts";
import { entryOperations } from "../entries/entry-operations.ts";
import { transferOperations } from "../transfer/operations.ts";
import { treeOperations } from "../tree/operations.ts";
import { watchOperations } from "../watch/watch-operations.ts";
import { basicOperations } from "./basic-operations.ts";

export const operations = {
  ...basicOperations,
  ...entryOperations,
  ...changeOperations,
  ...watchOperations,
  ...transferOperations,
  ...treeOperations,
};

export type Operations = typeof operations;
export type OperationName = keyof Operations;
export type ArgumentsOf<Name extends OperationName> = Operations[Name] extends (
  context: never,
  ...values: infer Values
) => unknown
  ? Values
  : never;
export type ResultOf<Name extends OperationName> = ReturnType<Operations[Name]>;
