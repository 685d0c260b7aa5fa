/* SPDX-License-Identifier: GPL-2.0 */
/* A device's touches of our own memory, for test programs. */
#ifndef SIM_DEV_H
#define SIM_DEV_H

#include <errno.h>
#include <fcntl.h>
#include <linux/cdm_sim.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * The device writes to the first word of each page of [p, p + size). Returns 0,
 * or -1 with errno set. @device is bound to the address space that opens it.
 */
static inline int sim_touch(const char *device, void *p, size_t size)
{
	struct cdm_sim_run run;
	int fd = open(device, O_RDWR), ret;

	if (fd < 0)
		return -1;
	memset(&run, 0, sizeof(run));
	run.size = sizeof(run);
	run.version = CDM_SIM_VERSION;
	run.pattern = CDM_SIM_STRIDED;
	run.addr = (unsigned long)p;
	run.len = size;
	run.stride = 4096;
	run.accesses = size / 4096;
	run.write_pct = 100;
	ret = ioctl(fd, CDM_SIM_IOC_RUN, &run);
	close(fd);
	if (ret >= 0 && run.done != size / 4096) {
		errno = EIO;
		ret = -1;
	}
	return ret < 0 ? -1 : 0;
}

#endif
