// SPDX-License-Identifier: GPL-2.0
/*
 * Boots another kernel, or this one again, without a word to anybody: what a machine
 * does that goes down with its device nodes online.
 *
 *	kexec reboot
 *	kexec IMAGE COMMAND-LINE
 *
 * Debian's kexec-tools would take over the reboots of the machine that it is installed
 * on, for the sake of two system calls.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <linux/reboot.h>
#include <unistd.h>

/* linux/kexec.h, which does not compile by itself */
#ifndef KEXEC_FILE_NO_INITRAMFS
#define KEXEC_FILE_NO_INITRAMFS	4
#endif

static int fails(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	int image;

	if (argc == 2 && !strcmp(argv[1], "reboot")) {
		reboot(LINUX_REBOOT_CMD_RESTART);
		return fails("reboot");
	}
	if (argc != 3) {
		fprintf(stderr, "usage: kexec reboot | kexec IMAGE COMMAND-LINE\n");
		return 2;
	}
	image = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (image < 0)
		return fails(argv[1]);
	if (syscall(SYS_kexec_file_load, image, -1, strlen(argv[2]) + 1, argv[2],
		    KEXEC_FILE_NO_INITRAMFS))
		return fails("kexec_file_load");
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return fails("reboot to the loaded kernel");
}
