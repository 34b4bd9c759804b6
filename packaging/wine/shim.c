/* What Wine 10 needs to be more like Windows, for LD_PRELOAD.
 *
 * SO_REUSEADDR: on Windows a socket may be bound to a port on which another listens, if both have asked for it. Linux wants SO_REUSEPORT for
 * that, of which Wine knows nothing.
 *
 * /proc/net/ipv6_route: Wine's GetAdaptersAddresses fails on the line of the default route that leads nowhere, which every Linux has. It is
 * left out. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
	int (*next)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
	if (level == SOL_SOCKET && option == SO_REUSEADDR)
		next(fd, level, SO_REUSEPORT, value, length);
	return next(fd, level, option, value, length);
}

static FILE *routes(FILE *all) {
	FILE *some = fdopen(memfd_create("ipv6_route", 0), "r+");
	char line[512];
	while (all && some && fgets(line, sizeof line, all))
		if (strncmp(line, "00000000000000000000000000000000 00 ", 36) != 0)
			fputs(line, some);
	if (all)
		fclose(all);
	if (some)
		rewind(some);
	return some;
}

static FILE *open_with(const char *name, const char *path, const char *mode) {
	FILE *(*next)(const char *, const char *) = dlsym(RTLD_NEXT, name);
	FILE *file = next(path, mode);
	return strcmp(path, "/proc/net/ipv6_route") == 0 ? routes(file) : file;
}

FILE *fopen(const char *path, const char *mode) { return open_with("fopen", path, mode); }

FILE *fopen64(const char *path, const char *mode) { return open_with("fopen64", path, mode); }
