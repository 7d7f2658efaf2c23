// The reference `c`: the physical limit. One connection at a time, one line with the command's words separated by
// tabs; answers with the command's output and closes. 1 MiB reads from a 1 MiB pipe, written to the TCP socket.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20, LINE_BYTES = 4096, MAX_WORDS = 64 };

static char buffer[PIPE_BYTES];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int read_command(int client, char *line, char **words) {
  size_t used = 0;
  while (used < LINE_BYTES - 1) {
    ssize_t got = read(client, line + used, LINE_BYTES - 1 - used);
    if (got <= 0) return -1;
    used += (size_t)got;
    if (line[used - 1] == '\n') break;
  }
  line[used - 1] = '\0';
  int count = 0;
  for (char *word = strtok(line, "\t"); word && count < MAX_WORDS - 1; word = strtok(NULL, "\t")) words[count++] = word;
  words[count] = NULL;
  return count;
}

static pid_t start(char **words, int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) die("pipe2");
  fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    signal(SIGPIPE, SIG_DFL);
    dup2(ends[1], STDOUT_FILENO);
    execvp(words[0], words);
    _exit(127);
  }
  close(ends[1]);
  *output = ends[0];
  return pid;
}

static int write_all(int client, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t put = write(client, bytes, length);
    if (put <= 0) return -1;
    bytes += put;
    length -= (size_t)put;
  }
  return 0;
}

static void serve(int client) {
  char line[LINE_BYTES], *words[MAX_WORDS];
  if (read_command(client, line, words) <= 0) return;
  int output;
  pid_t pid = start(words, &output);
  ssize_t got;
  while ((got = read(output, buffer, sizeof buffer)) > 0 && write_all(client, buffer, (size_t)got) == 0) {
  }
  close(output);
  waitpid(pid, NULL, 0);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16)) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("c listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) die("accept");
    serve(client);
    close(client);
  }
}
