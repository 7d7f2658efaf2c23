// Commands for which Debian has no program.
//
//   workload lines N        N lines of 80 bytes, one write each
//   workload tick SECONDS   a line every SECONDS, forever

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 80 };

static int lines(long count) {
  char line[LINE_BYTES];
  memset(line, 'x', sizeof line);
  line[LINE_BYTES - 1] = '\n';
  for (long i = 0; i < count; i++)
    if (write(STDOUT_FILENO, line, sizeof line) != sizeof line) return 1;
  return 0;
}

static int tick(unsigned seconds) {
  for (;;) {
    if (write(STDOUT_FILENO, "tick\n", 5) != 5) return 1;
    sleep(seconds);
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "lines") == 0) return lines(atol(argv[2]));
  if (argc == 3 && strcmp(argv[1], "tick") == 0) return tick((unsigned)atoi(argv[2]));
  fprintf(stderr, "usage: %s lines N | tick SECONDS\n", argv[0]);
  return 2;
}
