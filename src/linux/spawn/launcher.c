// The program between the agent and each command that cannot be started directly: a few system
// calls, then execve. It joins a cgroup, becomes the user of the command, and only then touches
// anything that the client chose: cwd, PATH and the command are looked up with the rights of that
// user, and may hang on a dead mount without stopping the agent.
//
// It is static and uses no libc. So no loader and no library reads the environment, which is the
// client's (LD_PRELOAD, GLIBC_TUNABLES, BASH_ENV, ...), while it still has the rights of the agent.
//
//   argv: name, identity, cgroup.procs, cwd, fallback, command, argv of the command...
//     identity  "UID GID GROUP..." in decimal, or "" to keep that of the agent
//     fallback  "/" if that is the cwd when `cwd` cannot be entered, otherwise ""
//
// Descriptor 3 is the report: the letter of each step that begins; after a failure the letter in
// upper case, errno (two bytes, little endian) and the path concerned. A successful execve closes it.
// src/linux/spawn/launcher.ts reads it. Built by scripts/build-launcher.mjs.

typedef unsigned long size;
typedef long word;

#if defined(__x86_64__)
enum { OPENAT = 257, READ = 0, WRITE = 1, CLOSE = 3, FCNTL = 72, CHDIR = 80, UMASK = 95, EXECVE = 59,
       EXIT = 60, SETGROUPS = 116, SETRESUID = 117, SETRESGID = 119, FACCESSAT = 269 };
enum { DIRECTORY = 0200000 };

static word call(word n, word a, word b, word c, word d) {
  word result;
  register word r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call run\n");
#elif defined(__aarch64__)
enum { OPENAT = 56, READ = 63, WRITE = 64, CLOSE = 57, FCNTL = 25, CHDIR = 49, UMASK = 166, EXECVE = 221,
       EXIT = 93, SETGROUPS = 159, SETRESUID = 147, SETRESGID = 149, FACCESSAT = 48 };
enum { DIRECTORY = 040000 };

static word call(word n, word a, word b, word c, word d) {
  register word x8 __asm__("x8") = n;
  register word x0 __asm__("x0") = a;
  register word x1 __asm__("x1") = b;
  register word x2 __asm__("x2") = c;
  register word x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl run\n");
#endif

enum { REPORT = 3, AT_FDCWD = -100, F_SETFD = 2, FD_CLOEXEC = 1, WRONLY = 1, CLOEXEC = 02000000,
       PATH_ONLY = 010000000 };
enum { ENOENT = 2, ENOEXEC = 8, EACCES = 13, ENOTDIR = 20, EISDIR = 21, ENAMETOOLONG = 36, ELOOP = 40,
       EIO = 5, ENODEV = 19, ESTALE = 116, ETIMEDOUT = 110 };
enum { MAX_PATH = 4096, MAX_GROUPS = 65536, FAILED = 126 };

static unsigned groups[MAX_GROUPS];
static char path[MAX_PATH], problem_path[MAX_PATH];

static size length(const char *text) {
  size n = 0;
  while (text[n]) n++;
  return n;
}

static void begin(char step) { call(WRITE, REPORT, (word)&step, 1, 0); }

static __attribute__((noreturn)) void fail(char step, word error, const char *about) {
  char head[3] = {step, (char)(error & 255), (char)(error >> 8)};
  call(WRITE, REPORT, (word)head, 3, 0);
  call(WRITE, REPORT, (word)about, (word)length(about), 0);
  call(EXIT, FAILED, 0, 0, 0);
  __builtin_unreachable();
}

static void join_cgroup(const char *procs) {
  word fd = call(OPENAT, AT_FDCWD, (word)procs, WRONLY | CLOEXEC, 0);
  if (fd < 0) fail('G', -fd, procs);
  word written = call(WRITE, fd, (word)"0", 1, 0);
  if (written < 0) fail('G', -written, procs);
  call(CLOSE, fd, 0, 0, 0);
}

static const char *number(const char *text, unsigned *value) {
  *value = 0;
  while (*text >= '0' && *text <= '9') *value = *value * 10 + (unsigned)(*text++ - '0');
  return *text == ' ' ? text + 1 : text;
}

// The groups first: afterwards there is no right to change them.
static void become(const char *identity) {
  unsigned uid, gid;
  size count = 0;
  const char *rest = number(number(identity, &uid), &gid);
  while (*rest && count < MAX_GROUPS) rest = number(rest, &groups[count++]);
  word result = call(SETGROUPS, (word)count, (word)groups, 0, 0);
  if (result == 0) result = call(SETRESGID, gid, gid, gid, 0);
  if (result == 0) result = call(SETRESUID, uid, uid, uid, 0);
  if (result < 0) fail('U', -result, "");
}

static void enter(const char *cwd, const char *fallback) {
  word result = call(CHDIR, (word)cwd, 0, 0, 0);
  if (result < 0 && *fallback) result = call(CHDIR, (word)fallback, 0, 0, 0);
  if (result < 0) fail('D', -result, cwd);
}

// A text file without "#!" is run by /bin/sh, as a shell does. A NUL in its first line means binary.
static int is_binary(const char *file) {
  char start[128];
  word fd = call(OPENAT, AT_FDCWD, (word)file, CLOEXEC, 0);
  if (fd < 0) return 0;
  word bytes = call(READ, fd, (word)start, sizeof start, 0);
  call(CLOSE, fd, 0, 0, 0);
  for (word i = 0; i < bytes && start[i] != '\n'; i++)
    if (!start[i]) return 1;
  return 0;
}

static int is_directory(const char *file) {
  word fd = call(OPENAT, AT_FDCWD, (word)file, PATH_ONLY | DIRECTORY | CLOEXEC, 0);
  if (fd >= 0) call(CLOSE, fd, 0, 0, 0);
  return fd >= 0;
}

// Returns why `file` itself cannot be executed. Ends with a report if no other file could be either.
// argv[-1] is free for the name of the shell.
static word execute(const char *file, char **argv, char **environment) {
  word error = -call(EXECVE, (word)file, (word)argv, (word)environment, 0);
  if (error == ENOEXEC && !is_binary(file)) {
    argv[-1] = "/bin/sh";
    argv[0] = (char *)file;
    fail('X', -call(EXECVE, (word)argv[-1], (word)(argv - 1), (word)environment, 0), argv[-1]);
  }
  if (error == EACCES && is_directory(file)) return EISDIR;
  if (error == ENOENT && call(FACCESSAT, AT_FDCWD, (word)file, 0, 0) == 0) fail('I', error, file);
  switch (error) {
    case ENOENT: case ENOTDIR: case EACCES: case ELOOP: case ENAMETOOLONG:
    case EIO: case ENODEV: case ESTALE: case ETIMEDOUT:
      return error;
    default:
      fail('X', error, file);
  }
}

static const char *search_path(char **environment) {
  for (; *environment; environment++) {
    const char *variable = *environment;
    if (variable[0] == 'P' && variable[1] == 'A' && variable[2] == 'T' && variable[3] == 'H' && variable[4] == '=')
      return variable + 5;
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

static __attribute__((noreturn)) void search(const char *command, char **argv, char **environment) {
  word problem = ENOENT;
  const char *entry = search_path(environment);
  size command_bytes = length(command);
  for (;;) {
    const char *end = entry;
    while (*end && *end != ':') end++;
    size bytes = (size)(end - entry);
    word error = ENAMETOOLONG;
    if (bytes + command_bytes + 3 <= MAX_PATH) {
      size at = 0;
      // An empty entry is the cwd.
      if (bytes == 0) path[at++] = '.';
      for (size i = 0; i < bytes; i++) path[at++] = entry[i];
      path[at++] = '/';
      for (size i = 0; i <= command_bytes; i++) path[at++] = command[i];
      error = execute(path, argv, environment);
      // A folder that the user may not enter: as if it was empty.
      if (error == EACCES && call(FACCESSAT, AT_FDCWD, (word)path, 0, 0) != 0) error = ENOENT;
    }
    // The first file that exists explains more than "not found".
    if (problem == ENOENT && error != ENOENT && error != ENOTDIR) {
      problem = error;
      for (size i = 0; i < MAX_PATH; i++) problem_path[i] = path[i];
    }
    if (!*end) fail('X', problem, problem_path);
    entry = end + 1;
  }
}

__attribute__((noreturn, used)) void run(word *stack) {
  word argc = stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + argc + 1;
  if (argc < 7) fail('X', EIO, "");
  call(FCNTL, REPORT, F_SETFD, FD_CLOEXEC, 0);
  call(UMASK, 022, 0, 0, 0);
  if (*argv[2]) join_cgroup(argv[2]);
  if (*argv[1]) become(argv[1]);
  begin('d');
  enter(argv[3], argv[4]);
  begin('x');
  const char *command = argv[5];
  for (const char *c = command; *c; c++)
    if (*c == '/') fail('X', execute(command, argv + 6, environment), command);
  search(command, argv + 6, environment);
}
