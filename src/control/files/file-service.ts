// Shared by the handlers of the file endpoints.

import type { FileAccess } from "../../filesystem/index.ts";
import type { Logger } from "../../logger.ts";
import type { UploadTable } from "../resumable-uploads/upload-table.ts";
import type { FileDefaults } from "./file-request.ts";
import type { TransferMemory } from "./transfer-memory.ts";

export interface FileService {
  readonly access: FileAccess;
  /** Changed by POST /init. */
  readonly defaults: FileDefaults;
  readonly memory: TransferMemory;
  readonly uploads: UploadTable;
  /** How long a transfer may make no progress. */
  readonly idleMs: number;
  readonly logger: Logger;
}
