// Words of docker, kubectl, tmux and ssh, and the command of holdfast for each. A word that is a
// command here is not in the table.

export interface KnownWord {
  /** The first words of a command line. */
  readonly typed: string;
  /** The command line of holdfast; undefined if there is none. */
  readonly here?: string;
  /** Why it is different, as a sentence. */
  readonly because?: string;
}

const NO_IMAGES = "The agent runs commands of its own machine and has no images.";
const NO_OBJECTS = "An agent runs processes; it has no other objects.";
const NO_PREFIX = "Most of its commands have the same name here.";
const NO_WINDOWS = "A terminal is one process; a second one is a second process.";

const knownWords: readonly KnownWord[] = [
  // docker
  { typed: "stop", here: "holdfast kill -s TERM NAME" },
  { typed: "restart", here: "holdfast run --detach --tag NAME -- COMMAND" },
  { typed: "start", here: "holdfast run --detach --tag NAME -- COMMAND" },
  { typed: "create", here: "holdfast run --detach --tag NAME -- COMMAND" },
  { typed: "pause", here: "holdfast kill -s STOP NAME" },
  { typed: "unpause", here: "holdfast kill -s CONT NAME" },
  { typed: "rm", because: "An ended process is removed by itself after serve --retain-ended." },
  { typed: "rename", here: "holdfast run --tag NAME -- COMMAND", because: "A tag is given at the start." },
  { typed: "stats", here: "holdfast top" },
  { typed: "container ls", here: "holdfast ps" },
  { typed: "container", here: "holdfast ps" },
  { typed: "info", here: "holdfast version" },
  { typed: "events", here: "holdfast logs -f NAME" },
  ...["images", "image", "rmi", "pull", "push", "build", "commit", "tag", "save", "load", "import"].map(
    (typed) => ({ typed, because: NO_IMAGES }),
  ),
  ...["export", "history", "search", "diff", "buildx", "builder", "manifest", "trust"].map((typed) => ({
    typed,
    because: NO_IMAGES,
  })),
  ...["network", "volume", "compose", "service", "swarm", "stack", "node", "plugin", "secret"].map(
    (typed) => ({ typed, because: NO_OBJECTS }),
  ),
  ...["port", "update", "system", "networks", "volumes", "prune"].map((typed) => ({
    typed,
    because: NO_OBJECTS,
  })),
  { typed: "logout", here: "holdfast context rm NAME" },
  { typed: "login", here: "holdfast context add NAME --url URL --access-token-file FILE" },
  // kubectl
  // Beginning with a command of holdfast: see foreignPhrase.
  { typed: "top pods", here: "holdfast top" },
  { typed: "top pod", here: "holdfast top" },
  ...["top nodes", "top node"].map((typed) => ({ typed, here: "holdfast top" })),
  { typed: "get pods", here: "holdfast ps" },
  { typed: "get pod", here: "holdfast ps" },
  { typed: "get po", here: "holdfast ps" },
  ...["pods", "pod", "po"].map((typed) => ({ typed, here: "holdfast ps" })),
  ...["nodes", "namespace", "namespaces", "deployment", "deployments", "services", "svc"].map((typed) => ({
    typed,
    because: NO_OBJECTS,
  })),
  { typed: "get", here: "holdfast ps" },
  { typed: "describe", here: "holdfast inspect NAME" },
  { typed: "delete", here: "holdfast kill -s TERM NAME" },
  { typed: "config use-context", here: "holdfast context use NAME" },
  { typed: "config get-contexts", here: "holdfast context ls" },
  { typed: "config", here: "holdfast context ls" },
  { typed: "cluster-info", here: "holdfast version" },
  ...["apply", "scale", "rollout", "expose", "port-forward", "proxy", "autoscale", "label", "annotate"].map(
    (typed) => ({ typed, because: NO_OBJECTS }),
  ),
  ...["patch", "replace", "cordon", "uncordon", "drain", "taint", "certificate", "auth", "set"].map(
    (typed) => ({ typed, because: NO_OBJECTS }),
  ),
  { typed: "explain", here: "holdfast help COMMAND" },
  { typed: "api-resources", here: "holdfast --help" },
  { typed: "api-versions", here: "holdfast version" },
  { typed: "debug", here: "holdfast doctor" },
  // tmux
  { typed: "new-session", here: "holdfast shell NAME" },
  { typed: "new", here: "holdfast shell NAME" },
  { typed: "list-sessions", here: "holdfast ps" },
  { typed: "attach-session", here: "holdfast attach NAME" },
  { typed: "a", here: "holdfast attach NAME" },
  { typed: "detach", because: "The keys ctrl-p ctrl-q leave a process; it continues." },
  { typed: "attach -t", here: "holdfast attach NAME" },
  { typed: "has-session", here: "holdfast inspect NAME" },
  { typed: "has", here: "holdfast inspect NAME" },
  { typed: "switch-client", here: "holdfast attach NAME" },
  { typed: "kill-server", here: "holdfast kill NAME..." },
  { typed: "send", here: "holdfast attach NAME" },
  { typed: "rename-session", because: "A tag is given at the start: holdfast run --tag NAME -- COMMAND" },
  ...["new-window", "split-window", "list-windows", "list-panes", "select-window", "select-pane"].map(
    (typed) => ({ typed, here: "holdfast shell NAME", because: NO_WINDOWS }),
  ),
  { typed: "kill-session", here: "holdfast kill -s HUP NAME" },
  { typed: "send-keys", here: "holdfast attach NAME" },
  { typed: "capture-pane", here: "holdfast logs NAME" },
  // The programs themselves
  ...["docker", "podman", "kubectl", "tmux"].map((typed) => ({
    typed,
    because: NO_PREFIX,
    here: `holdfast help; to run it there: holdfast run -- ${typed}`,
  })),
  // ssh, systemd, and words that mean the same
  { typed: "ssh", here: "holdfast --url HOST:PORT shell" },
  { typed: "scp", here: "holdfast cp FILE :FILE" },
  { typed: "sftp", here: "holdfast cp :FILE FILE" },
  { typed: "rsync", here: "holdfast sync DIR :DIR" },
  { typed: "vi", here: "holdfast edit :FILE" },
  { typed: "vim", here: "holdfast edit :FILE" },
  { typed: "nano", here: "holdfast edit :FILE" },
  { typed: "copy", here: "holdfast cp FILE :FILE" },
  { typed: "sh", here: "holdfast shell" },
  { typed: "bash", here: "holdfast shell" },
  { typed: "connect", here: "holdfast attach NAME" },
  { typed: "resume", here: "holdfast attach NAME" },
  { typed: "enter", here: "holdfast attach NAME" },
  { typed: "htop", here: "holdfast top" },
  { typed: "monitor", here: "holdfast top" },
  { typed: "pgrep", here: "holdfast ps -q --filter command=NAME" },
  { typed: "pkill", here: "holdfast kill NAME" },
  { typed: "killall", here: "holdfast kill NAME" },
  { typed: "journalctl", here: "holdfast logs -f NAME" },
  { typed: "systemctl", here: "holdfast ps" },
  { typed: "download", here: "holdfast cp :FILE FILE" },
  { typed: "upload", here: "holdfast cp FILE :FILE" },
  { typed: "put", here: "holdfast cp FILE :FILE" },
  { typed: "health", here: "holdfast doctor --url URL" },
  { typed: "ping", here: "holdfast doctor --url URL" },
  { typed: "reload", here: "holdfast upgrade" },
  { typed: "jobs", here: "holdfast ps" },
  { typed: "fg", here: "holdfast attach NAME" },
  { typed: "sessions", here: "holdfast ps" },
  { typed: "processes", here: "holdfast ps" },
  { typed: "process", here: "holdfast ps" },
  { typed: "exit", because: "The keys ctrl-p ctrl-q leave a process; it continues." },
  { typed: "list", here: "holdfast ps" },
  { typed: "status", here: "holdfast ps" },
  { typed: "dashboard", here: "holdfast console" },
  { typed: "log", here: "holdfast logs NAME" },
  { typed: "tail", here: "holdfast logs -f NAME" },
  { typed: "show", here: "holdfast inspect NAME" },
  { typed: "daemon", here: "holdfast serve" },
  { typed: "server", here: "holdfast serve" },
  { typed: "up", here: "holdfast serve" },
  { typed: "contexts", here: "holdfast context ls" },
];

/** The most specific entry for the beginning of a command line. */
function knownWord(words: readonly string[]): KnownWord | undefined {
  const matches = (typed: string): boolean => typed.split(" ").every((word, at) => words[at] === word);
  return knownWords
    .filter(({ typed }) => matches(typed))
    .sort((a, b) => b.typed.split(" ").length - a.typed.split(" ").length)[0];
}

/** The line for a command line that begins as one of holdfast and continues as one of another program. */
export function foreignPhrase(words: readonly string[], commands: readonly string[]): string | undefined {
  const isPhrase = knownWord(words)?.typed.includes(" ") === true && commands.includes(words[0] ?? "");
  return isPhrase ? unknownCommandMessage(words, commands) : undefined;
}

/** The line for the person who typed `words`. */
export function unknownCommandMessage(words: readonly string[], commands: readonly string[]): string {
  const known = knownWord(words);
  if (known !== undefined) {
    const { typed, here, because } = known;
    const parts = [`'${typed}' is not a command of holdfast.`, because, here && `Use: ${here}`];
    return parts.filter((part) => part !== undefined).join(" ");
  }
  const [word = ""] = words;
  const close = closest(word, commands);
  if (close !== undefined) return `unknown command '${word}' (Did you mean ${close}?)`;
  const [, host] = /^[\w.-]+@([\w.-]+)$/.exec(word) ?? [];
  if (host !== undefined)
    return `unknown command '${word}'. Use: holdfast --url ${host} shell. holdfast --help lists the commands.`;
  const there = isProgramName(word) ? ` To run it there: holdfast run -- ${word}.` : "";
  return `unknown command '${word}'.${there} holdfast --help lists the commands.`;
}

/** Such as mkdir or ./build.sh. */
function isProgramName(word: string): boolean {
  return /^[\w./][\w./+-]*$/.test(word);
}

/** The command that a typing error away from `word`; two for long words. */
function closest(word: string, commands: readonly string[]): string | undefined {
  const limit = word.length > 4 ? 2 : 1;
  const near = commands
    .map((command) => ({ command, distance: editDistance(word, command) }))
    .filter(({ command, distance }) => distance <= limit && distance < command.length)
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.command;
}

/** Insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (rows[i - 1]?.[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (rows[i - 1]?.[j - 1] ?? 0) + cost,
        isSwap ? (rows[i - 2]?.[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}
