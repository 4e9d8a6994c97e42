/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a running program asks of its host for the sake of its workers.
 */

#include "app_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

void app_keep_heap(void)
{
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, -1);
}

int app_hold_awake(const char *device, int *fd, struct weir_why *why)
{
	const int32_t most_us = 0;
	const int made = open(device, O_WRONLY | O_CLOEXEC);
	int rc;

	if (made < 0)
		return weir_why(why, -errno,
				"runtime.wakeup: fast needs %s, which cannot be opened: %s", device,
				strerror(errno));
	if (write(made, &most_us, sizeof(most_us)) != (ssize_t)sizeof(most_us)) {
		rc = weir_why(why, -errno, "runtime.wakeup: %s does not take 0 us: %s", device,
			      strerror(errno));
		close(made);
		return rc;
	}
	*fd = made;
	return 0;
}
