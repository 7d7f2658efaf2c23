// The routes of filesystem.Filesystem. The RPCs on paths are answered here; list-calls.ts lists directories and
// watch-calls.ts watches them.

import type { ConnectRouter } from "@connectrpc/connect";
import { resolveExpendable } from "../../filesystem/index.ts";
import { Filesystem } from "../../gen/filesystem_pb.ts";
import { type CallGuards, guardedCalls } from "../process/guarded-calls.ts";
import type { RpcContext } from "../protocol/call-context.ts";
import { entryMessages } from "./entry-messages.ts";
import { fileRequest } from "./file-request.ts";
import { type ListSettings, listDir } from "./list-calls.ts";
import { createWatcher, getWatcherEvents, type WatchCallSettings, watchDir } from "./watch-calls.ts";

export type FilesystemServiceOptions = CallGuards & WatchCallSettings & ListSettings;

export function filesystemRoutes(options: FilesystemServiceOptions): (router: ConnectRouter) => void {
  const { unary, streaming } = guardedCalls(options);
  return (router) => {
    router.service(Filesystem, {
      stat: unary(async ({ path }, context: RpcContext) => {
        const { files, resolve } = await fileRequest(options, context);
        const entry = await files.call("entry", [resolve(path)], context);
        return { entry: entryMessages(context)(entry) };
      }),
      makeDir: unary(async ({ path }, context: RpcContext) => {
        const { files, resolve } = await fileRequest(options, context);
        const entry = await files.call("makeDirectory", [resolve(path), files.user], context);
        return { entry: entryMessages(context)(entry) };
      }),
      // A move that has begun is finished: half of one would leave two incomplete trees.
      move: unary(async ({ source, destination }, context: RpcContext) => {
        const { files } = await fileRequest(options, context);
        const from = resolveExpendable(source, files.user);
        const to = resolveExpendable(destination, files.user);
        const entry = await files.call("move", [from, to, files.user]);
        return { entry: entryMessages(context)(entry) };
      }),
      remove: unary(async ({ path }, context: RpcContext) => {
        const { files } = await fileRequest(options, context);
        await files.call("remove", [resolveExpendable(path, files.user)], context);
        return {};
      }),
      listDir: unary((request, context: RpcContext) => listDir(options, request, context)),
      watchDir: streaming((request, context) => watchDir(options, request, context)),
      createWatcher: unary(async (request, context: RpcContext) => {
        const { id } = await createWatcher(options, request, context);
        return { watcherId: id };
      }),
      getWatcherEvents: unary((request, context: RpcContext) => getWatcherEvents(options, request, context)),
      removeWatcher: unary(({ watcherId }) => {
        options.watchers.remove(watcherId);
        return {};
      }),
    });
  };
}
