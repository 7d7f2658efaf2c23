// The HTTP endpoints that are not RPCs: health, envd's control API with envd's paths and shapes, and metrics for
// Prometheus. It answers every request that reaches it, unknown paths with 404.

import { Code } from "@connectrpc/connect";
import { HoldfastError } from "../errors.ts";
import type { FileAccess, Watchers } from "../filesystem/index.ts";
import {
  type Credentials,
  headerReader,
  isGoneClient,
  type NodeRequest,
  type NodeResponse,
  offeredToken,
  pathOf,
  type Refusal,
  type RequestListener,
  refuse,
} from "../http/index.ts";
import type { Logger } from "../logger.ts";
import type { AgentDefaults, ProcessTable } from "../process/index.ts";
import type { ClientStatistics } from "../rpc/index.ts";
import { clip } from "../text.ts";
import { type ConsoleOptions, consoleRouteOf, consoleRoutes } from "./console-routes.ts";
import { createFileRoutes, TransferMemory, UPLOADS_PATH, type UploadTable } from "./files/index.ts";
import { Initialization } from "./init.ts";
import { MachineMetrics } from "./machine-metrics.ts";
import { BodyReader } from "./read-body.ts";
import { fileToUpgradeTo, type UpgradeControl } from "./upgrade-request.ts";

export interface ControlOptions {
  readonly table: ProcessTable;
  /** Changed by POST /init. */
  readonly defaults: AgentDefaults;
  readonly credentials: Credentials;
  readonly statistics: () => ClientStatistics;
  /** How long the body of POST /init may take to arrive; 10 s at most. */
  readonly requestMs: number;
  readonly files: FileAccess;
  readonly watchers: Watchers;
  /** How long an upload or download may make no progress. */
  readonly transferIdleMs: number;
  /** The version of envd that the agent names to E2B's SDKs and orchestrators. */
  readonly envdVersion: string;
  /** How many connections clients have. */
  readonly connections: () => number;
  /** Undefined: no web console, and its paths do not exist. */
  readonly console: ConsoleOptions | undefined;
  readonly version: string;
  /** Called when POST /init names a new life of the machine. */
  readonly onNewLifecycle: (asking: NodeRequest) => void;
  /** Becoming the next version; absent: not possible. */
  readonly upgrade?: UpgradeControl;
  /** Resumable uploads; by default there are none at first. */
  readonly uploads?: UploadTable;
  /** Of POST /init; by default one that has applied nothing. */
  readonly initialization?: Initialization;
  readonly logger: Logger;
}

type Handler = (request: NodeRequest, response: NodeResponse) => Promise<void> | void;
type Method = "DELETE" | "GET" | "PATCH" | "POST";

/** Answers every request. Each must have been admitted, except POST /init, which checks its token itself. */
export function createControl(options: ControlOptions): RequestListener {
  const { defaults, logger } = options;
  const initialization = options.initialization ?? new Initialization(options);
  const bodies = new BodyReader(options.requestMs);
  const machine = new MachineMetrics();
  const memory = new TransferMemory(options.table.memoryBudget);
  const transfers = () => memory.transfers;
  const fileRoutes = createFileRoutes({
    access: options.files,
    defaults,
    memory,
    idleMs: options.transferIdleMs,
    ...(options.uploads && { uploads: options.uploads }),
    logger,
  });
  const nameVersion = (response: NodeResponse) =>
    void response.setHeader("X-Envd-Version", options.envdVersion);
  const routes: Readonly<Record<string, Partial<Record<Method, Handler>>>> = {
    "/health": {
      GET: (_, response) => {
        nameVersion(response);
        answer(response, 204);
      },
    },
    "/upgrade": {
      GET: (_, response) => {
        if (options.upgrade === undefined) throw noUpgrade();
        answerJson(response, 200, options.upgrade.status);
      },
      POST: async (request, response) => {
        if (options.upgrade === undefined) throw noUpgrade();
        await options.upgrade.begin(fileToUpgradeTo(await bodies.read(request)));
        answerJson(response, 202, options.upgrade.status);
      },
    },
    "/init": {
      POST: async (request, response) => {
        nameVersion(response);
        initialization.apply(await bodies.read(request), offeredToken(headerReader(request)), request);
        answer(response, 204);
      },
    },
    "/envs": { GET: (_, response) => answerJson(response, 200, defaults.environment) },
    "/metrics": { GET: (_, response) => answerJson(response, 200, machine.read()) },
    ...fileRoutes,
    ...(options.console === undefined
      ? {}
      : consoleRoutes({
          ...options.console,
          credentials: options.credentials,
          instanceId: () => options.table.generation.id,
          version: options.version,
          idleMs: options.transferIdleMs,
          logger,
          readBody: (request) => bodies.read(request),
          answerJson,
        })),
    "/metrics/prometheus": {
      GET: async (_, response) => {
        // An agent that is not scraped does not load it.
        const { PROMETHEUS_CONTENT_TYPE, prometheusMetrics } = await import("./prometheus.ts");
        answer(response, 200, PROMETHEUS_CONTENT_TYPE, await prometheusMetrics({ ...options, transfers }));
      },
    },
  };
  return (request, response) => {
    const path = pathOf(request);
    const route = path.startsWith(UPLOADS_PATH) ? UPLOADS_PATH : consoleRouteOf(path);
    const methods = Object.hasOwn(routes, route) ? routes[route] : undefined;
    if (methods === undefined) return refuse(request, response, unknownPath(path));
    const handler = methods[request.method === "HEAD" ? "GET" : (request.method as Method)];
    if (handler === undefined) {
      return refuse(request, response, wrongMethod(request.method ?? "", path, Object.keys(methods)));
    }
    Promise.resolve()
      .then(() => handler(request, response))
      .catch((error: unknown) => answerError(error, response, logger));
  };
}

function noUpgrade(): HoldfastError {
  return new HoldfastError("failed_precondition", "this server cannot upgrade itself");
}

function unknownPath(path: string): Refusal {
  return { code: Code.Unimplemented, httpStatus: 404, message: `nothing is served at "${clip(path)}"` };
}

function wrongMethod(method: string, path: string, methods: readonly string[]): Refusal {
  const allowed = methods.join(", ").replace("GET", "GET, HEAD");
  const message = `${path} does not allow ${method}; allowed: ${allowed}`;
  return { code: Code.Unimplemented, httpStatus: 405, message, headers: { Allow: allowed } };
}

function answerError(error: unknown, response: NodeResponse, logger: Logger): void {
  if (response.headersSent || response.destroyed || isGoneClient(error)) return void response.destroy();
  const status = error instanceof HoldfastError ? statusOf(error) : 500;
  if (status === 500) logger.error({ err: error }, "internal error in a control request");
  const message = error instanceof HoldfastError && status !== 500 ? error.message : "internal error";
  // The rest of a body that is late can take forever. HTTP/2 has no such header: its stream is reset.
  if (status === 408 && !("stream" in response)) response.setHeader("Connection", "close");
  // The shape is that of envd's schema.
  answerJson(response, status, { code: status, message });
}

function statusOf({ code }: HoldfastError): number {
  switch (code) {
    case "invalid_argument":
      return 400;
    case "unauthenticated":
      return 401;
    case "not_found":
      return 404;
    case "permission_denied":
      return 403;
    case "deadline_exceeded":
      return 408;
    case "resource_exhausted":
      return 413;
    case "failed_precondition":
      return 409;
    case "unavailable":
      return 503;
    default:
      return 500;
  }
}

function answerJson(response: NodeResponse, status: number, body: object): void {
  answer(response, status, "application/json", `${JSON.stringify(body)}\n`);
}

/** Node leaves out the body of an answer to HEAD. */
function answer(response: NodeResponse, status: number, contentType = "text/plain", body?: string): void {
  if (response.destroyed) return;
  const content =
    body === undefined ? {} : { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body) };
  response.writeHead(status, { "Cache-Control": "no-store", ...content });
  response.end(body ?? "");
}
