/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl_listen: the control socket's file.
 *
 * Takes a path; says a listening socket there. What another process still answers is left alone,
 * what a killed one left behind is replaced, and what is no socket is never touched.
 */
#include "ctl_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int ctl_address(const char *path, struct sockaddr_un *address, struct weir_why *why)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (path[0] == '\0' || strlen(path) >= sizeof(address->sun_path))
		return weir_why(why, -ENAMETOOLONG,
				"the control socket's path has %zu bytes, must have 1 to %zu: %s",
				strlen(path), sizeof(address->sun_path) - 1, path);
	strcpy(address->sun_path, path);
	return 0;
}

static int system_error(struct weir_why *why, const char *what, const char *path)
{
	const int rc = -errno;

	return weir_why(why, rc, "cannot %s the control socket %s: %s", what, path, strerror(-rc));
}

/* 0 if nobody is at the path any more. */
static int make_way(const struct sockaddr_un *address, struct weir_why *why)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : system_error(why, "look for", path);
	if (!S_ISSOCK(st.st_mode))
		return weir_why(why, -EEXIST,
				"%s exists and is not a socket: remove it or choose another path",
				path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return system_error(why, "make", path);
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (rc == 0 || rc == -EAGAIN) /* EAGAIN: alive, and busy */
		return weir_why(why, -EADDRINUSE,
				"another process already answers at %s: stop it, or choose another "
				"control socket",
				path);
	if (rc == -ENOENT)
		return 0;
	errno = -rc;
	if (rc != -ECONNREFUSED)
		return system_error(why, "try", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return system_error(why, "replace", path);
	return 0;
}

int ctl_listen(const char *path, mode_t mode, struct stat *file, struct weir_why *why)
{
	struct sockaddr_un address;
	int fd, rc;

	rc = ctl_address(path, &address, why);
	if (rc == 0)
		rc = make_way(&address, why);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return system_error(why, "make", path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = system_error(why, "make", path);
		close(fd);
		return rc;
	}
	/* Nobody can connect before listen(), so the mode is right from the first client on. */
	if (chmod(path, mode) < 0 || lstat(path, file) < 0 ||
	    listen(fd, WEIR_CTL_CLIENTS_MAX) < 0) {
		rc = system_error(why, "open", path);
		unlink(path);
		close(fd);
		return rc;
	}
	return fd;
}

void ctl_unlink(const char *path, const struct stat *file)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino)
		unlink(path);
}
