/* A hook that costs nothing: appends the event and the time of its start, in nanoseconds, to the file beside it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec now;
    char line[128], path[4096];
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(path, sizeof path, "%s.log", argv[0]);
    int length = snprintf(line, sizeof line, "%.32s %lld\n", argc > 1 ? argv[1] : "-",
                          (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
    return file < 0 || write(file, line, length) != length;
}
