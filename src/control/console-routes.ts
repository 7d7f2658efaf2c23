// The routes of the web console. Its modules are loaded at the first request that needs them, and only by an agent that
// was started with --console; an agent without it has no such paths.

import { HoldfastError } from "../errors.ts";
import type { Credentials, NodeRequest, NodeResponse } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { ConsoleSessions } from "./console/index.ts";
import { CODE_PATH, CONSOLE_PATH, SESSION_PATH } from "./console-paths.ts";

export interface ConsoleOptions {
  readonly sessions: ConsoleSessions;
  /** Origins whose pages may show the console in a frame. */
  readonly frameAncestors: readonly string[];
}

interface RouteOptions extends ConsoleOptions {
  readonly credentials: Credentials;
  readonly instanceId: () => string;
  readonly version: string;
  readonly idleMs: number;
  readonly logger: Logger;
  readonly readBody: (request: NodeRequest) => Promise<string>;
  readonly answerJson: (response: NodeResponse, status: number, body: object) => void;
}

type Handler = (request: NodeRequest, response: NodeResponse) => Promise<void> | void;
type Routes = Readonly<Record<string, Partial<Record<"DELETE" | "GET" | "POST", Handler>>>>;

/** By path; CONSOLE_PATH stands for everything below it. */
export function consoleRoutes(options: RouteOptions): Routes {
  const { answerJson, readBody } = options;
  const load = once(() => loadConsole(options));
  const sendFile: Handler = async (request, response) => (await load()).files.answer(request, response);
  return {
    [CONSOLE_PATH]: { GET: sendFile },
    [CONSOLE_PATH.slice(0, -1)]: { GET: sendFile },
    [CODE_PATH]: {
      POST: async (request, response) =>
        answerJson(response, 200, (await load()).endpoints.issue(await jsonBody(request, readBody))),
    },
    [SESSION_PATH]: {
      POST: async (request, response) =>
        answerJson(response, 200, (await load()).endpoints.open(await jsonBody(request, readBody))),
      GET: async (request, response) => answerJson(response, 200, (await load()).endpoints.describe(request)),
      DELETE: async (request, response) => {
        (await load()).endpoints.end(request);
        response.writeHead(204, { "Cache-Control": "no-store" });
        response.end();
      },
    },
  };
}

/** Which route a path of the console has. */
export function consoleRouteOf(path: string): string {
  if (path === CODE_PATH || path === SESSION_PATH || !path.startsWith(CONSOLE_PATH)) return path;
  return CONSOLE_PATH;
}

async function loadConsole(options: RouteOptions) {
  const [{ ConsoleFiles, SessionEndpoints }, { installedConsole }] = await Promise.all([
    import("./console/index.ts"),
    import("./console-source.ts"),
  ]);
  return {
    files: new ConsoleFiles({ ...options, source: installedConsole() }),
    endpoints: new SessionEndpoints(options),
  };
}

/** Forms of other pages cannot send this type without asking first. */
function jsonBody(request: NodeRequest, readBody: RouteOptions["readBody"]): Promise<string> {
  const type = request.headers["content-type"] ?? "";
  if (/^application\/json\s*(?:;|$)/i.test(type)) return readBody(request);
  throw new HoldfastError("invalid_argument", "Content-Type must be application/json");
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load();
    loaded.catch(() => {
      loaded = undefined;
    });
    return loaded;
  };
}
