// SPDX-License-Identifier: GPL-2.0
/*
 * Holds memory of one kind while somebody else moves it, and knows of every byte
 * what it must be.
 *
 *	movable KIND KIB [FILE]
 *	movable frame slab|free|reserved [FIRST]
 *	movable charged CGROUP-INODE
 *
 * The second form prints the number of the first such page frame, the third how
 * many frames hold user memory charged to a cgroup, and the first of them. KIND:
 *
 *	anon	private anonymous memory; its folios are what the system gives
 *	thp	the same with MADV_HUGEPAGE
 *	same	anon, every page with the same content, MADV_MERGEABLE
 *	zero	private memory that was only read
 *	hugezero the same with MADV_HUGEPAGE
 *	shmem	shared anonymous memory
 *	file	a shared mapping of FILE, which is written first
 *	hugetlb	MAP_HUGETLB
 *	io	read-only device memory: the BIOS, through /dev/mem
 *	none	a mapping that nobody has touched
 *
 * Prints "pid P", "range A-B" and "ready", then obeys each line of its input and
 * says "ready" again; exits at the end of the input. Commands that report:
 *
 *	where	"node N P" for each node with P pages, "absent P"
 *	verify	"content ok", or what is wrong, byte by byte
 *	pfns	"pfns A-B,C,...", and remembers them
 *	facts	"order O P" and "flag NAME P": what /proc/kpageflags says of them
 *	cached	"pfns ...": those remembered that are in the swap cache
 *	events	"events N": of the userfaultfd
 *	survey	"right N", "wrong N", "sigbus N": what a read of each page finds
 *	eio	"msync N": the error of writing it to disk, 0 for none
 *
 * Commands that change something:
 *
 *	write	new content			touch	read each page
 *	sync	write to disk, and wait		flush	the same, do not wait
 *	reread	of a file, from the disk	pageout	MADV_PAGEOUT
 *	mlock	lock it				fork	a child shares it from now on
 *	half	unmap the second half of each 2 MiB
 *	pin	a long-term pin of all of it	unpin	no more
 *	uffd	userfaultfd: all write-protected, the second half missing
 *	bind N	MPOL_BIND to that node, of all of it, and new content
 *	poison	the first page breaks		splice	the first page goes to FILE, a pipe
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE		4096UL
#define HUGE_PAGE	(2UL << 20)
#define ALIGN_TO	(4UL << 20)
#define MAX_NODE	64
#define BIOS		0xf0000

#define PM_PRESENT	(1ULL << 63)
#define PM_UFFD_WP	(1ULL << 57)
#define PM_PFN		((1ULL << 55) - 1)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/* mm/gup_test.h, which is not for user space */
struct pin_longterm_test {
	uint64_t addr;
	uint64_t size;
	uint32_t flags;
};
#define PIN_LONGTERM_TEST_START	_IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP	_IO('g', 8)
#define PIN_LONGTERM_WRITE	1

static const char *kind, *path;
static char *mem;
static size_t size, pages;
static uint64_t seed = 1;
static int file = -1, gup = -1, uffd = -1;
static char *gone;		/* of each page: it is not ours to look at */
static char *copy;		/* of what we did not write */
static uint64_t *saved;		/* page frames that "pfns" saw, 0: none */

static void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "movable: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, ": %s\n", strerror(err));
	va_end(ap);
	exit(1);
}

static int is(const char *what)
{
	return !strcmp(kind, what);
}

static int xopen(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		die("%s", name);
	return fd;
}

/* ---- content ---------------------------------------------------------------- */

static uint64_t word(size_t off)
{
	uint64_t x;

	if (is("same"))
		off %= PAGE;
	x = (off + seed) * 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

static void fill(void)
{
	size_t i;

	for (i = 0; i < size; i += 8)
		if (!gone[i / PAGE])
			*(uint64_t *)(mem + i) = word(i);
}

static void read_all(void)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (!gone[i])
			(void)*(volatile char *)(mem + i * PAGE);
}

static void verify(void)
{
	int zero = is("zero") || is("hugezero");
	size_t i, b;

	for (i = 0; i < size; i += 8) {
		uint64_t want = copy ? *(uint64_t *)(copy + i) : zero ? 0 : word(i);
		unsigned char got_b[8], want_b[8];

		if (gone[i / PAGE] || *(uint64_t *)(mem + i) == want)
			continue;
		memcpy(got_b, mem + i, 8);
		memcpy(want_b, &want, 8);
		for (b = 0; b < 8 && got_b[b] == want_b[b]; b++)
			;
		if (b < 8) {
			printf("content: byte %zu is %#x, want %#x\n", i + b,
			       got_b[b], want_b[b]);
			return;
		}
	}
	puts("content ok");
}

static sigjmp_buf no_page;

static void on_no_page(int sig)
{
	siglongjmp(no_page, 1);
}

static int page_right(size_t i)
{
	size_t off;

	for (off = i * PAGE; off < (i + 1) * PAGE; off += 8)
		if (*(volatile uint64_t *)(mem + off) != word(off))
			return 0;
	return 1;
}

/* Of memory that a device may have lost. */
static void survey(void)
{
	/* Changed between sigsetjmp() and its return. */
	volatile size_t right = 0, wrong = 0, sigbus = 0, i;

	signal(SIGBUS, on_no_page);
	for (i = 0; i < pages; i++) {
		if (sigsetjmp(no_page, 1))
			sigbus++;
		else if (page_right(i))
			right++;
		else
			wrong++;
	}
	signal(SIGBUS, SIG_DFL);
	printf("right %zu\nwrong %zu\nsigbus %zu\n", right, wrong, sigbus);
}

/* ---- mappings --------------------------------------------------------------- */

/* Aligned like the largest folio, so that each order fits. */
static char *map_at(char *at, int prot, int flags, int fd, off_t off)
{
	char *p = mmap(at, size, prot, flags | MAP_FIXED, fd, off);

	if (p == MAP_FAILED)
		die("mmap of %s", kind);
	return p;
}

static void map(void)
{
	int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = mmap(NULL, size + ALIGN_TO, PROT_NONE, anon | MAP_NORESERVE, -1, 0);
	size_t i;

	if (p == MAP_FAILED)
		die("mmap");
	p = (char *)(((unsigned long)p + ALIGN_TO - 1) & ~(ALIGN_TO - 1));

	if (is("shmem")) {
		mem = map_at(p, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	} else if (is("hugetlb")) {
		mem = map_at(p, rw, anon | MAP_HUGETLB, -1, 0);
	} else if (is("io")) {
		mem = map_at(p, PROT_READ, MAP_SHARED, xopen("/dev/mem", O_RDONLY), BIOS);
		copy = malloc(size);
		memcpy(copy, mem, size);
	} else if (is("file")) {
		file = xopen(path, O_RDWR | O_CREAT | O_TRUNC);
		for (i = 0; i < size; i += 8) {
			uint64_t w = word(i);
			static char page[PAGE];

			memcpy(page + i % PAGE, &w, 8);
			if (i % PAGE == PAGE - 8 && write(file, page, PAGE) != PAGE)
				die("%s", path);
		}
		mem = map_at(p, rw, MAP_SHARED, file, 0);
	} else {
		mem = map_at(p, rw, anon, -1, 0);
	}

	if ((is("thp") || is("hugezero")) && madvise(mem, size, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
	if (is("file") || is("zero") || is("hugezero") || is("io"))
		read_all();
	else if (is("none"))
		memset(gone, 1, pages);
	else
		fill();
	if (is("same") && madvise(mem, size, MADV_MERGEABLE))
		die("MADV_MERGEABLE");
}

/* ---- what the kernel says ---------------------------------------------------- */

static uint64_t pagemap(size_t i)
{
	static int fd = -1;
	uint64_t e;

	if (fd < 0)
		fd = xopen("/proc/self/pagemap", O_RDONLY);
	if (pread(fd, &e, 8, ((unsigned long)mem / PAGE + i) * 8) != 8)
		die("pagemap");
	return e;
}

static uint64_t kpageflags(uint64_t pfn)
{
	static int fd = -1;
	uint64_t e;

	if (fd < 0)
		fd = xopen("/proc/kpageflags", O_RDONLY);
	if (pread(fd, &e, 8, pfn * 8) != 8)
		die("kpageflags of %#lx", (unsigned long)pfn);
	return e;
}

static void where(void)
{
	size_t i, at[MAX_NODE] = {}, absent = 0;
	void **addr = calloc(pages, sizeof(*addr));
	int *status = calloc(pages, sizeof(*status));

	for (i = 0; i < pages; i++)
		addr[i] = mem + i * PAGE;
	if (syscall(SYS_move_pages, 0, pages, addr, NULL, status, 0))
		die("move_pages");
	for (i = 0; i < pages; i++) {
		if (status[i] >= 0 && status[i] < MAX_NODE)
			at[status[i]]++;
		else
			absent++;
	}
	for (i = 0; i < MAX_NODE; i++)
		if (at[i])
			printf("node %zu %zu\n", i, at[i]);
	if (absent)
		printf("absent %zu\n", absent);
	free(addr);
	free(status);
}

/* Those saved page frames whose flags have all of @flags, as ranges. */
static void print_pfns(uint64_t flags)
{
	const char *sep = "pfns ";
	size_t i = 0, j;

	while (i < pages) {
		uint64_t pfn = saved[i];

		if (!pfn || (flags && (kpageflags(pfn) & flags) != flags)) {
			i++;
			continue;
		}
		for (j = 1; i + j < pages && saved[i + j] == pfn + j; j++)
			if (flags && (kpageflags(pfn + j) & flags) != flags)
				break;
		printf("%s%llu", sep, (unsigned long long)pfn);
		if (j > 1)
			printf("-%llu", (unsigned long long)(pfn + j - 1));
		sep = ",";
		i += j;
	}
	puts(*sep == ',' ? "" : "pfns");
}

static void pfns(void)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		uint64_t e = pagemap(i);

		saved[i] = e & PM_PRESENT ? e & PM_PFN : 0;
	}
	print_pfns(0);
}

static unsigned int order_of(uint64_t pfn)
{
	uint64_t head = pfn, nr = 1;
	unsigned int order = 0;

	if (!(kpageflags(pfn) & (1ULL << KPF_COMPOUND_HEAD | 1ULL << KPF_COMPOUND_TAIL)))
		return 0;
	while (kpageflags(head) & 1ULL << KPF_COMPOUND_TAIL)
		head--;
	while (kpageflags(head + nr) & 1ULL << KPF_COMPOUND_TAIL)
		nr++;
	while (1ULL << order < nr)
		order++;
	return order;
}

static void facts(void)
{
	static const struct { int bit; const char *name; } names[] = {
		{ KPF_ANON, "anon" }, { KPF_KSM, "ksm" }, { KPF_SWAPCACHE, "swapcache" },
		{ KPF_DIRTY, "dirty" }, { KPF_WRITEBACK, "writeback" },
		{ KPF_UNEVICTABLE, "unevictable" }, { 33 /* KPF_MLOCKED */, "mlocked" },
		{ KPF_THP, "thp" }, { KPF_HUGE, "hugetlb" }, { KPF_ZERO_PAGE, "zero" },
	};
	size_t i, n, at[16] = {}, flag[sizeof(names) / sizeof(*names)] = {}, wp = 0;

	for (i = 0; i < pages; i += n) {
		uint64_t e = pagemap(i), k;
		unsigned int order, j;

		n = 1;
		if (!(e & PM_PRESENT))
			continue;
		order = order_of(e & PM_PFN);
		/* The rest of a folio that is mapped in one piece. */
		while (i + n < pages && ((e + n) & PM_PFN) % (1UL << order) &&
		       pagemap(i + n) == e + n)
			n++;
		at[order & 15] += n;
		wp += e & PM_UFFD_WP ? n : 0;
		k = kpageflags(e & PM_PFN);
		for (j = 0; j < sizeof(names) / sizeof(*names); j++)
			flag[j] += k >> names[j].bit & 1 ? n : 0;
	}
	for (i = 0; i < 16; i++)
		if (at[i])
			printf("order %zu %zu\n", i, at[i]);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (flag[i])
			printf("flag %s %zu\n", names[i].name, flag[i]);
	if (wp)
		printf("flag wp %zu\n", wp);
}

/* ---- changes ----------------------------------------------------------------- */

/* Their address space stays as it is, but we do not look there any more. */
static void drop(size_t first, size_t nr, int unmap)
{
	memset(gone + first, 1, nr);
	if (unmap ? munmap(mem + first * PAGE, nr * PAGE) :
	    madvise(mem + first * PAGE, nr * PAGE, MADV_DONTNEED))
		die("dropping pages");
}

static void half(void)
{
	size_t i;

	for (i = 0; i < size; i += HUGE_PAGE)
		drop((i + HUGE_PAGE / 2) / PAGE, HUGE_PAGE / 2 / PAGE, 1);
}

static void share(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(0);
	close(1);
	for (;;)
		pause();
}

static void pin(void)
{
	struct pin_longterm_test args = {
		.addr = (unsigned long)mem, .size = size, .flags = PIN_LONGTERM_WRITE,
	};

	gup = xopen("/sys/kernel/debug/gup_test", O_RDWR);
	if (ioctl(gup, PIN_LONGTERM_TEST_START, &args))
		die("PIN_LONGTERM_TEST_START");
}

static void guard(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)mem, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect wp = {
		.range = { .start = (unsigned long)mem, .len = size / 2 },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	drop(pages / 2, pages - pages / 2, 0);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		die("userfaultfd");
}

static void events(void)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };

	if (poll(&p, 1, 0) < 0)
		die("poll");
	printf("events %d\n", !!(p.revents & POLLIN));
}

static void on_sigbus(int sig)
{
}

static void poison(void)
{
	/* The kernel tells us that we have lost a page; we know. */
	signal(SIGBUS, on_sigbus);
	gone[0] = 1;
	if (madvise(mem, PAGE, MADV_HWPOISON))
		die("MADV_HWPOISON");
	signal(SIGBUS, SIG_DFL);
}

/* From now on whoever has the pipe open holds a reference. */
static void splice_one(void)
{
	struct iovec iov = { .iov_base = mem, .iov_len = PAGE };

	if (vmsplice(xopen(path, O_WRONLY), &iov, 1, 0) != PAGE)
		die("vmsplice to %s", path);
}

static void reread(void)
{
	if (msync(mem, size, MS_SYNC) || munmap(mem, size) ||
	    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED))
		die("letting go of %s", path);
	map_at(mem, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	read_all();
}

static void page_out(void)
{
	unsigned long node0 = 1;

	/* Moves nothing, but drains every CPU's batches for the LRU lists. */
	if (syscall(SYS_migrate_pages, 0, 8 * sizeof(node0), &node0, &node0) < 0)
		die("migrate_pages");
	if (madvise(mem, size, MADV_PAGEOUT))
		die("MADV_PAGEOUT");
}

/*
 * Of this memory alone, while our stack and our code stay where they are. It may be lost
 * as it is written.
 */
static void bind_to(const char *node)
{
	unsigned long mask = 1UL << strtoul(node, NULL, 0);

	if (syscall(SYS_mbind, mem, size, 2 /* MPOL_BIND */, &mask, 64, 0) ||
	    madvise(mem, size, MADV_DONTNEED))
		die("mbind");
	signal(SIGBUS, on_no_page);
	if (!sigsetjmp(no_page, 1))
		fill();
	signal(SIGBUS, SIG_DFL);
}

static void must(int ret, const char *what)
{
	if (ret)
		die("%s", what);
}

static void obey(const char *cmd)
{
	if (!strcmp(cmd, "where"))
		where();
	else if (!strcmp(cmd, "verify"))
		verify();
	else if (!strcmp(cmd, "pfns"))
		pfns();
	else if (!strcmp(cmd, "facts"))
		facts();
	else if (!strcmp(cmd, "cached"))
		print_pfns(1ULL << KPF_SWAPCACHE);
	else if (!strcmp(cmd, "events"))
		events();
	else if (!strcmp(cmd, "survey"))
		survey();
	else if (!strcmp(cmd, "eio"))
		printf("msync %d\n", msync(mem, size, MS_SYNC) ? errno : 0);
	else if (!strcmp(cmd, "write"))
		seed++, fill();
	else if (!strcmp(cmd, "touch"))
		read_all();
	else if (!strcmp(cmd, "sync"))
		must(msync(mem, size, MS_SYNC), "msync");
	else if (!strcmp(cmd, "flush"))
		must(sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE), "sync_file_range");
	else if (!strcmp(cmd, "reread"))
		reread();
	else if (!strcmp(cmd, "pageout"))
		page_out();
	else if (!strcmp(cmd, "mlock"))
		must(mlock(mem, size), "mlock");
	else if (!strcmp(cmd, "fork"))
		share();
	else if (!strcmp(cmd, "half"))
		half();
	else if (!strcmp(cmd, "pin"))
		pin();
	else if (!strcmp(cmd, "unpin"))
		must(ioctl(gup, PIN_LONGTERM_TEST_STOP), "PIN_LONGTERM_TEST_STOP");
	else if (!strncmp(cmd, "bind ", 5))
		bind_to(cmd + 5);
	else if (!strcmp(cmd, "uffd"))
		guard();
	else if (!strcmp(cmd, "poison"))
		poison();
	else if (!strcmp(cmd, "splice"))
		splice_one();
	else
		printf("no command %s\n", cmd);
}

/* Somebody else's memory, to be left alone. */
static int find_frame(const char *what, uint64_t pfn)
{
	int bit = !strcmp(what, "slab") ? KPF_SLAB : !strcmp(what, "free") ? KPF_BUDDY :
		  32 /* KPF_RESERVED */;

	while (!(kpageflags(pfn) >> bit & 1))
		pfn++;
	printf("%llu\n", (unsigned long long)pfn);
	return 0;
}

/*
 * Not from the cgroup's counters, whose parts are some seconds old, but from all
 * frames: also those that somebody has isolated and lost.
 */
static int charged(uint64_t inode)
{
	const uint64_t user = 1ULL << KPF_ANON | 1ULL << KPF_SWAPBACKED |
			      1ULL << KPF_UPTODATE | 1ULL << KPF_LRU | 1ULL << KPF_MMAP;
	int fd = xopen("/proc/kpagecgroup", O_RDONLY);
	static uint64_t of[32768];
	uint64_t pfn = 0, n = 0, first = 0, k;
	ssize_t got, i;

	while ((got = read(fd, of, sizeof(of))) > 0) {
		for (i = 0; i < got / 8; i++, pfn++) {
			if (of[i] != inode)
				continue;
			k = kpageflags(pfn);
			if (k & user && !n++)
				first = pfn;
		}
	}
	if (got < 0)
		die("kpagecgroup");
	printf("%llu", (unsigned long long)n);
	if (n)
		printf(" pages, first %llu with flags %#llx", (unsigned long long)first,
		       (unsigned long long)kpageflags(first));
	puts("");
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {
		"anon", "thp", "same", "zero", "hugezero", "shmem", "file",
		"hugetlb", "io", "none",
	};
	char line[32];
	size_t i;

	if (argc < 3) {
		fprintf(stderr, "usage: movable KIND KIB [FILE]\n");
		return 2;
	}
	kind = argv[1];
	if (is("frame"))
		return find_frame(argv[2], argc > 3 ? strtoull(argv[3], NULL, 0) : 0);
	if (is("charged"))
		return charged(strtoull(argv[2], NULL, 0));
	size = strtoul(argv[2], NULL, 0) << 10;
	pages = size / PAGE;
	path = argc > 3 ? argv[3] : "";
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds) && !is(kinds[i]); i++)
		;
	if (!pages || i == sizeof(kinds) / sizeof(*kinds)) {
		fprintf(stderr, "movable: no such memory: %s %s\n", kind, argv[2]);
		return 2;
	}
	gone = calloc(pages, 1);
	saved = calloc(pages, sizeof(*saved));
	map();
	printf("pid %d\nrange %p-%p\nready\n", getpid(), mem, mem + size);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		obey(line);
		puts("ready");
		fflush(stdout);
	}
	return 0;
}
