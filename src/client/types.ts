// The client's public interface. All sizes are bytes, all times milliseconds. An offset counts the
// bytes of a process's output since its start: stdout, stderr and pty together, in the order the
// agent read them.

import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import type { ClientError } from "./client-errors.ts";
import type { Files } from "./files/types.ts";

/** Options of `createClient`: `baseUrl` or `transport` is required. */
export interface ClientOptions {
  /**
   * The agent's address: `http://127.0.0.1:49983`, `127.0.0.1:49983`, or `unix:/run/holdfast.sock` (with Node). Nothing
   * else is needed. Without Node (browsers, workers) requests go over `fetch`.
   */
  readonly baseUrl?: string;
  /**
   * With Node and `baseUrl`: "1.1" (the default) uses one connection per stream, "2" shares one connection
   * (h2c).
   */
  readonly httpVersion?: "1.1" | "2";
  /**
   * Instead of `baseUrl`: any Connect transport, such as Connect-Web's. Prefer a function that
   * makes one: the client calls it again after a connection went silent, so that no call uses the
   * dead connection of an HTTP/2 transport.
   */
  readonly transport?: Transport | (() => Transport);
  /**
   * With `transport`: the agent's address, such as `https://sandbox.example.com`, for the contents of files. They do not
   * go over the transport, but over `fetch`.
   */
  readonly filesUrl?: string;
  /**
   * With Node and an `https:` `baseUrl`: the certificates, in PEM, that the agent's certificate is checked against,
   * instead of those that Node trusts.
   */
  readonly ca?: string | Uint8Array;
  /** The user that processes run as; default: the agent's own. `start` can override it. */
  readonly user?: string;
  /** Sent as `X-Access-Token` with every call. */
  readonly token?: string;
  /** Retries and time limits. */
  readonly reconnect?: ReconnectOptions;
}

/** The defaults suit a person at a terminal as well as a program. */
export interface ReconnectOptions {
  /**
   * The n-th try in a row waits for a random time below `initialDelayMs * 2^(n-1)`, at most
   * `maxDelayMs`, so that many clients of one agent do not return at the same moment. Default: 200
   * ms.
   */
  readonly initialDelayMs?: number;
  /**
   * The longest wait between two tries. Default: 10 s. A `Retry-After` or RetryInfo of the agent or a
   * proxy is waited for in addition, up to two minutes.
   */
  readonly maxDelayMs?: number;
  /**
   * For fleets: the first wait after the other side ended the connection on purpose (a clean end, 503,
   * GOAWAY) is a random time below this. Choose the number of clients divided by the connections that
   * the proxy accepts per second. Default: 0.
   */
  readonly spreadMs?: number;
  /**
   * How long the agent of an attached process may be out of reach before the iteration, `exit` and
   * writes fail with the last error. Default: no limit; a signal can abort them.
   */
  readonly giveUpAfterMs?: number;
  /**
   * How long a single call (`start`, `attach` until it has begun, `list`, `signal`, `resize`,
   * `closeStdin`) is retried before it fails with the last error. Default: 30 s. The agent
   * remembers a start_id for as long as it retains an ended process, 60 s by default; a `start`
   * repeated after that starts a second process. 0: one try.
   */
  readonly callRetryMs?: number;
  /**
   * How often the agent sends a keepalive on an idle stream, in whole seconds. A stream or a call
   * that is silent for twice as long counts as lost, and a connection that was idle for as long is
   * not reused. Default: 10.
   */
  readonly keepaliveSeconds?: number;
  /** For tests: the time. */
  readonly clock?: Clock;
  /** For tests: random numbers in [0, 1). */
  readonly random?: () => number;
}

/**
 * Talks to one agent. Every call accepts an AbortSignal and rejects with its reason when it aborts;
 * every other failure is a ClientError.
 */
export interface Client {
  /**
   * Starts a process exactly once, however often the request is repeated: it carries a start_id.
   * Resolves when the process runs. `signal` covers the process's whole life in this client, not
   * only the start: a later abort is a `detach` with an error. Neither ever kills the process. A
   * start that was aborted or failed may still have started the process: `list` shows it.
   */
  start(request: StartRequest, options?: ProcessOptions): Promise<RemoteProcess>;
  /**
   * Streams a process that runs, or one that has ended and is still retained. Without `fromOffset`
   * it starts at the first byte that is held and not delivered. Rejects with ProcessGoneError if
   * there is no such process.
   *
   * Output counts as delivered when a connection has accepted it, even if the connection then broke
   * and the client never received it. To continue where another client stopped, pass its offset as
   * `fromOffset`; 0 starts at the first byte that is held.
   */
  attach(selector: Selector, options?: AttachOptions): Promise<RemoteProcess>;
  /**
   * Live processes in the order of their start; with `includeEnded` the retained ones come before
   * them.
   */
  list(options?: ListOptions): Promise<ProcessInfo[]>;
  /** The files of the sandbox. */
  readonly files: Files;
  /**
   * For a display that polls: the processes that changed since an earlier answer. Give `revision` back as `since` of the
   * next call with the same options. An agent that is too old always answers with all processes.
   */
  changes(options?: ChangesOptions): Promise<ProcessChanges>;
  /** The agent itself. Undefined: it is older than this call, or another implementation. */
  agent(options?: CallOptions): Promise<AgentInfo | undefined>;
  /**
   * Signals a process, or with `group` its whole process group. If the answer is lost, the signal
   * is not sent again, because the process may have received it. Exceptions are SIGKILL, SIGSTOP
   * and SIGCONT, which have the same effect twice as once.
   */
  signal(selector: Selector, name: SignalName, options?: SignalOptions): Promise<void>;
  /**
   * Drops every connection of this client, also those that look alive, and connects again at once: no wait, and the
   * waits after later failures begin with the shortest one. For a device that was asleep or changed its network. Calls
   * that must not be repeated keep their connection.
   */
  reconnectNow(): void;
  /**
   * Detaches from every process of this client, fails its pending calls and closes idle
   * connections. Final.
   */
  close(): void;
}

/**
 * Selects a process. A bare string is a process_id. A tag selects the newest live process that
 * carries it.
 */
export type Selector =
  | string
  | { readonly processId: string }
  | { readonly pid: number }
  | { readonly tag: string };

/** The process to start. */
export interface StartRequest {
  /** Looked up in the PATH of the process's own environment. */
  readonly cmd: string;
  /** Default: none. */
  readonly args?: readonly string[];
  /** Added to the environment that the agent gives every process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute, `~`, or relative to the user's home. Default: the user's home. */
  readonly cwd?: string;
  /** The user to run as; default: the client's `user`. */
  readonly user?: string;
  /** A name to select it by, see Selector. */
  readonly tag?: string;
  /** Runs it on a terminal of this size; its output events are of kind `pty`. */
  readonly pty?: PtySize;
  /**
   * True: a pipe for `write`. Default: /dev/null, so that the process never waits for input. A pty
   * always accepts input.
   */
  readonly stdin?: boolean;
  /**
   * The agent kills the process after this time, and its exit has `timedOut`. Default: no limit.
   */
  readonly timeoutMs?: number;
  /**
   * Makes the start idempotent beyond this call: a second `start` with the same id and the same
   * request, from any client, attaches to the first one's process at offset 0. Default: a new
   * random id.
   */
  readonly startId?: string;
  /** The treatment of output that no client reads; default: the agent's policy. */
  readonly output?: OutputPolicy;
  /**
   * How long the process can still be found after its end. Default: the agent's `--retain-ended`. The
   * agent refuses more than its `--max-retain-ended`.
   */
  readonly retainEndedMs?: number;
  /** The agent forgets the process as soon as a client has received its end. */
  readonly forgetDelivered?: boolean;
  /** The user to run as by number, instead of `user`. */
  readonly uid?: number;
  /** The only group to run with, by name or number. Default: all groups of the user. */
  readonly group?: string;
  /**
   * Only the end: the agent sends this client no output, and a gap covers it. The process starts detached, and its first
   * output waits for another client. An agent that is too old sends the output.
   */
  readonly endOnly?: boolean;
}

/** A terminal's size in characters. */
export interface PtySize {
  readonly cols: number;
  readonly rows: number;
}

/** How the agent treats output that no client reads. */
export interface OutputPolicy {
  /**
   * While no client is attached: `block` stops reading, so that the process waits; `buffer` reads
   * until `detachedBufferBytes` are held; `ring` keeps reading and holds the newest `replayBytes`.
   */
  readonly detached?: "block" | "buffer" | "ring";
  /** The limit of `buffer`. */
  readonly detachedBufferBytes?: number;
  /** How much delivered output stays held for a resume. */
  readonly replayBytes?: number;
}

/** Options of every call. */
export interface CallOptions {
  /** Ends the call when it aborts. */
  readonly signal?: AbortSignal;
}

/** Options of `list`. */
export interface ListOptions extends CallOptions {
  /** Also processes that have ended and are still retained. */
  readonly includeEnded?: boolean;
  /** Only the processes that it matches; a tag may match several. No match: an empty list. */
  readonly process?: Selector;
  /** Also measures the processes: ProcessInfo.usage. */
  readonly usage?: boolean;
  /** Leaves out `cmd`, `args`, `env` and `cwd`, which can be large: `cmd` is then empty. */
  readonly omitConfig?: boolean;
}

/** Options of `changes`. */
export interface ChangesOptions extends CallOptions {
  /** ProcessChanges.revision of the last answer. Default: all processes count as changed. */
  readonly since?: bigint;
  /** Also processes that have ended and are still retained. */
  readonly includeEnded?: boolean;
  /** Leaves out `cmd`, `args`, `env` and `cwd`: `cmd` is then empty. */
  readonly omitConfig?: boolean;
  /** Also describes the agent. */
  readonly agent?: boolean;
}

/** The answer of `changes`. */
export interface ProcessChanges {
  readonly processes: readonly ProcessInfo[];
  /** The process_ids of those that are no longer listed. */
  readonly removed: readonly string[];
  /** True: `processes` are all processes, and those of earlier answers are void. */
  readonly isComplete: boolean;
  readonly revision: bigint;
  /** With ChangesOptions.agent. */
  readonly agent?: AgentInfo;
}

/** Options of `signal`. */
export interface SignalOptions extends CallOptions {
  /** The whole process group, descendants included. */
  readonly group?: boolean;
}

/** Options of `start` and `attach`. */
export interface ProcessOptions extends CallOptions {
  /**
   * "event" (the default) yields a GapEvent and continues; "error" ends the iteration with a
   * GapError. A gap is always reported.
   */
  readonly onGap?: "event" | "error";
  /**
   * After the machine was restored to a state before the client's offset: "error" (the default) ends
   * the iteration with a RewoundError; "resume" reports `rewound` to `onState` and continues with
   * the output of the restored process, whose offsets are lower than the last one.
   */
  readonly onRewind?: "error" | "resume";
  /** Called at each change, from the first try on. Must not throw. */
  readonly onState?: (state: ConnectionState) => void;
  /**
   * Called with the size of the process's terminal, and again when any client changes it. It arrives with the output,
   * so only while a loop reads. Older agents send none. Must not throw.
   */
  readonly onSize?: (size: PtySize) => void;
}

/**
 * The text that a terminal must receive before output that begins in the middle, so that keys,
 * mouse and screen work as the process expects.
 */
export interface TerminalState {
  /**
   * Write it to a terminal in its initial state, before the output. It sets modes, such as the
   * alternate screen, and draws no text: a program on the alternate screen draws when its size changes.
   */
  readonly restore: Uint8Array;
  /** The size of the process's terminal, when the agent answered. */
  readonly size: PtySize;
}

/** Options of `attach`. */
export interface AttachOptions extends ProcessOptions {
  /** Asks for the times of the output: DataEvent.times. Older agents send none. */
  readonly times?: boolean;
  /**
   * Start exactly here; 0 is the process's first byte. Bytes that are no longer held arrive as a
   * gap.
   */
  readonly fromOffset?: number;
  /**
   * With `fromOffset`: the `generation` of the RemoteProcess that stopped there. If the machine was
   * restored since to a state before that offset, `onRewind` decides.
   */
  readonly generation?: string;
  /**
   * "skip": an observer, which never slows the process and gets a gap when it falls behind.
   * Default: "block".
   */
  readonly lag?: "block" | "skip";
  /**
   * Only the end: the agent sends no output, and a gap covers it. The client is then an observer. An
   * agent that is too old sends the output.
   */
  readonly endOnly?: boolean;
}

/**
 * A process that is attached. Iterate it to read its output:
 *
 *     for await (const event of process) if (event.kind === "stdout") console.log(event.data);
 *     const { exitCode } = await process.exit;
 *
 * The client reconnects after a lost connection and continues at the same byte; only `onState` shows it. Nothing is
 * read ahead: without an iteration nothing is read from the connection, and a process that
 * continues to write waits (as its `lag` and the agent's windows allow). A loop that is left keeps
 * its place, and a second loop continues with the next event. Two loops at the same time share the
 * events between them.
 */
export interface RemoteProcess extends AsyncIterable<OutputEvent> {
  /** In the agent's pid namespace. */
  readonly pid: number;
  /** Never reused, unlike the pid. */
  readonly processId: string;
  /** Whether it runs on a terminal. */
  readonly isPty: boolean;
  /** Whether it has a stdin pipe or a terminal. Undefined if the agent is too old to say so. */
  readonly acceptsInput: boolean | undefined;
  /** How many other live processes had its tag when it was attached. */
  readonly sameTag: number;
  /**
   * The state of the terminal before the first output of this RemoteProcess. Undefined on pipes, and
   * if the agent reports none. After a reconnect the output continues, and there is nothing to restore.
   */
  readonly terminal: TerminalState | undefined;
  /**
   * Offset of the next byte that the iteration yields. `attach` with it as `fromOffset` continues
   * from here.
   */
  readonly offset: number;
  /**
   * The agent's generation: it changes when its machine is restored from a snapshot or cloned. Store
   * it with `offset`. Undefined if the agent reports none.
   */
  readonly generation: string | undefined;
  /**
   * How the process ended. Resolves after the iteration has yielded all output, so it needs a
   * reader (a loop, or `discardOutput`). Rejects as the iteration does, and with DetachedError
   * after `detach`. The rejection need not be handled.
   */
  readonly exit: Promise<Exit>;
  /** Reads and drops the rest of the output, gaps included. Resolves and rejects as `exit` does. */
  discardOutput(): Promise<Exit>;
  /**
   * Resolves when the process's pipe or terminal has accepted all of `data` (text as UTF-8),
   * exactly once, in the order of the calls, over as many connections as that needs. Waits without
   * a limit while the process does not read. Rejects when `data` can no longer be accepted: ended,
   * stdin closed, detached, aborted; a part of it may then have been accepted. Do not change `data`
   * before it settles.
   */
  write(data: Uint8Array | string, options?: CallOptions): Promise<void>;
  /** Sends the end of file after all earlier writes. On a terminal, write "\x04" instead. */
  closeStdin(options?: CallOptions): Promise<void>;
  /**
   * Sets the terminal's size. If sizes change faster than the agent answers, only the newest is
   * sent.
   */
  resize(size: PtySize, options?: CallOptions): Promise<void>;
  /** See Client.signal. */
  signal(name: SignalName, options?: SignalOptions): Promise<void>;
  /** While it waits before it connects again: tries now. Otherwise does nothing. */
  retryNow(): void;
  /**
   * Leaves the process running: ends the iteration, fails pending calls, drops the connection. Can
   * be called again.
   */
  detach(): void;
}

/** The events of the iteration over a process. */
export type OutputEvent = DataEvent | GapEvent;

/** A piece of output. */
export interface DataEvent {
  readonly kind: "stdout" | "stderr" | "pty";
  /** The output as the process wrote it. */
  readonly data: Uint8Array;
  /** Offset of its first byte. */
  readonly offset: number;
  /** With AttachOptions.times: when the agent read it. Absent if the agent does not know. */
  readonly times?: readonly OutputTime[];
}

/**
 * The bytes from `offset` to the next entry, or to the end of the event, were read at `at` or less than `withinMs`
 * later.
 */
export interface OutputTime {
  readonly offset: number;
  /** By the clock of the agent's machine. */
  readonly at: Date;
  /** 1, unless the agent thinned out its times because there were too many. */
  readonly withinMs: number;
}

/** The agent no longer holds the bytes [from, to): this client does not receive them. */
export interface GapEvent {
  readonly kind: "gap";
  readonly from: number;
  readonly to: number;
  /** The state of the terminal at `to`; absent on pipes. */
  readonly terminal?: TerminalState;
}

/** How a process ended. */
export interface Exit {
  /** -1 when a signal ended the process. */
  readonly exitCode: number;
  /** False when a signal ended the process. */
  readonly exited: boolean;
  /** `exit status 1`, `signal: killed`. */
  readonly status: string;
  /** Absent for exit code 0, otherwise the same as `status`. */
  readonly error?: string;
  /** `SIGKILL`, if a signal with a name ended the process. */
  readonly signal?: string;
  /** Whether the agent killed it at its `timeoutMs`. */
  readonly timedOut: boolean;
  /** Total bytes of output. */
  readonly offset: number;
}

/** The state of the connection to one process: the argument of `onState`. */
export type ConnectionState =
  | { readonly kind: "connected"; readonly offset: number }
  /**
   * Try number `attempt` in a row begins in `delayMs`. `reason` is the error of the last
   * connection.
   */
  | {
      readonly kind: "reconnecting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: ClientError;
    }
  /**
   * The agent is about to end, for `reason`, such as "SIGTERM". It ends its processes, and kills those
   * that remain after `graceMs`. The output continues to its end.
   */
  | { readonly kind: "stopping"; readonly reason: string; readonly graceMs: number }
  /** With `onRewind: "resume"`: the output after `now` is not the output that was received before. */
  | {
      readonly kind: "rewound";
      readonly was: number;
      readonly now: number;
      /** The state of the terminal at `now`; absent on pipes. */
      readonly terminal?: TerminalState;
    }
  /** Final: the error of the iteration and of `exit`. */
  | { readonly kind: "gone"; readonly error: ClientError };

/** A row of `list`. */
export interface ProcessInfo {
  readonly pid: number;
  readonly processId: string;
  readonly tag?: string;
  readonly cmd: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The user that it runs as, if the agent reports it. */
  readonly user?: string;
  readonly isPty: boolean;
  readonly startedAt: Date;
  /** Set once it has ended. */
  readonly exit?: Exit;
  /** Total bytes of output so far. */
  readonly offset: number;
  /** How many streams are attached. */
  readonly subscribers: number;
  /** How many bytes of its output the agent holds. */
  readonly heldBytes: number;
  /** Whether the agent reads its output now. If not, the process waits once its pipe is full. */
  readonly reading: boolean;
  /** Set while the process is stuck in a write because its output is not read: for how long. */
  readonly blockedMs?: number;
  /** The size of its terminal. Absent on pipes, and for older agents. */
  readonly size?: PtySize;
  /** The treatment of its output while no client reads it. Absent for older agents. */
  readonly detached?: "block" | "buffer" | "ring";
  /**
   * Why the agent does not read its output: no client is attached and its mode holds no more, the agent's memory budget
   * is spent, or the slowest client has a full window before it.
   */
  readonly pausedReason?: "detached" | "budget" | "slowClient";
  /** With `slowClient`: how far that client has received the output. */
  readonly slowestOffset?: number;
  /** Where `attach` without `fromOffset` would begin now. */
  readonly attachOffset?: number;
  /** With ListOptions.usage, while it runs. Absent for older agents. */
  readonly usage?: ProcessUsage;
}

/** The usage of a process and its descendants. */
export interface ProcessUsage {
  /** CPU time since the start. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** The number of these processes, at most 64. */
  readonly processes: number;
}

/** An agent that describes itself. */
export interface AgentInfo {
  readonly version: string;
  readonly startedAt: Date;
  /** The clock of its machine. */
  readonly now: Date;
  /** Changes when the agent is started again, and when its machine is restored or cloned. */
  readonly instanceId?: string;
  /** The memory for everything that the agent holds for clients. This and the following: absent for older agents. */
  readonly budgetBytes?: number;
  /** How much of it is used. */
  readonly heldBytes?: number;
  /** Whether output waits because the budget is spent. */
  readonly budgetSpent?: boolean;
  /** The resident memory of the agent itself. */
  readonly residentBytes?: number;
  /** The connections of all clients. */
  readonly connections?: number;
}

/** The signals that the agent sends. */
export type SignalName =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGKILL"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGTERM"
  | "SIGCONT"
  | "SIGSTOP"
  | "SIGWINCH";
