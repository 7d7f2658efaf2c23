// The endpoints for the contents of files: /files, /files/compose and /files/uploads/ID.

import { type NodeRequest, type NodeResponse, type Query, queryOf } from "../../http/index.ts";
import { compose } from "./compose.ts";
import { download } from "./download.ts";
import { answerFileError } from "./file-answer.ts";
import type { FileService } from "./file-service.ts";
import { upload } from "./upload.ts";

type FileHandler = (
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
) => Promise<void>;

export interface FileEndpoints {
  readonly get: (request: NodeRequest, response: NodeResponse) => Promise<void>;
  readonly post: (request: NodeRequest, response: NodeResponse) => Promise<void>;
  readonly compose: (request: NodeRequest, response: NodeResponse) => Promise<void>;
}

/** Every handler answers its request, whatever happens. */
export function createFileEndpoints(service: FileService): FileEndpoints {
  const answering = (handler: FileHandler) => async (request: NodeRequest, response: NodeResponse) => {
    try {
      await handler(service, request, response, queryOf(request));
    } catch (error) {
      answerFileError(error, response, service.logger);
    }
  };
  return {
    get: answering(download),
    post: answering(upload),
    compose: answering(compose),
  };
}
