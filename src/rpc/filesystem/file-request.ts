// The user and the path of a request.

import { type FileAccess, findFileUser, resolvePath, type UserFiles } from "../../filesystem/index.ts";
import type { AgentDefaults } from "../../process/index.ts";
import type { RpcContext } from "../protocol/call-context.ts";
import { basicUser } from "../request-headers.ts";

export interface FileRequestSettings {
  readonly files: FileAccess;
  readonly defaults: AgentDefaults;
}

export interface FileRequest {
  readonly files: UserFiles;
  /** Throws `invalid_argument` for a path that names no file. */
  resolve(path: string): string;
}

/** Throws what findFileUser throws. */
export async function fileRequest(
  { files, defaults }: FileRequestSettings,
  { requestHeader }: RpcContext,
): Promise<FileRequest> {
  const user = await findFileUser(basicUser(requestHeader) ?? defaults.user);
  return {
    files: files.for(user),
    resolve: (path) => resolvePath(path, user, defaults.workdir),
  };
}
