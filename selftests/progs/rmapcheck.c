// SPDX-License-Identifier: GPL-2.0
/*
 * Compares reverse maps with page tables, entry by entry.
 *
 *	rmapcheck PFN...
 *
 * Asks "cdmctl page rmap" about each page frame, and then /proc/PID/pagemap of
 * every process about every page that is mapped. Both must know the same pages at
 * the same addresses of the same processes, and agree on mlocked mappings (smaps).
 * What belongs to a process that /proc does not show must have the tgid 0.
 *
 * Output for each: "same PAGES pages ENTRIES entries TGIDS processes WRITABLE
 * writable HIDDEN hidden MLOCKED mlocked HUGE huge"; the last four are entries. Or
 * what differs, and status 1.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE	4096UL
#define CHUNK	65536

struct place {
	unsigned int tgid;
	bool mlocked;
	uint64_t addr, pfn;
};

struct list {
	struct place *v;
	size_t nr, room;
};

static struct folio {
	uint64_t pfn, nr;
	unsigned int said;		/* "mapped N times" */
} folio;

static struct list asked, seen;
static unsigned int entries, writable, hidden, mlocked, huge;
static unsigned long long cookies[65536];	/* of each tgid */

static void die(const char *what)
{
	fprintf(stderr, "rmapcheck: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void add(struct list *l, unsigned int tgid, uint64_t addr, uint64_t pfn,
		bool locked)
{
	if (l->nr == l->room) {
		l->room = l->room ? 2 * l->room : 1024;
		l->v = realloc(l->v, l->room * sizeof(*l->v));
		if (!l->v)
			die("realloc");
	}
	l->v[l->nr++] = (struct place) { tgid, locked, addr, pfn };
}

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return 0;
}

/* ---- what cdmctl says ------------------------------------------------------- */

static void ask(const char *pfn)
{
	unsigned long long cookie, addr, frame, first;
	unsigned int tgid, pages, i, nr, said;
	char line[256], cmd[128];
	int at;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "cdmctl page rmap %s", pfn);
	f = popen(cmd, "r");
	if (!f)
		die(cmd);
	if (!fgets(line, sizeof(line), f) ||
	    sscanf(line, "folio of %u page%*[s ]from frame %llx, mapped %u", &nr, &first, &said) != 3) {
		fprintf(stderr, "rmapcheck: %s says nothing\n", cmd);
		exit(1);
	}
	folio = (struct folio) { first, nr, said };
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "TGID ", 5))
			continue;
		at = 0;
		if (sscanf(line, "%u %llu %llx %llx %u %n", &tgid, &cookie, &addr, &frame, &pages, &at) != 5 || !at) {
			fprintf(stderr, "rmapcheck: cdmctl said: %s", line);
			exit(1);
		}
		entries++;
		writable += !!strstr(line + at, "writable");
		mlocked += !!strstr(line + at, "mlocked");
		huge += !!strstr(line + at, "huge");
		if (!tgid) {
			hidden++;
			continue;
		}
		/* One process, one address space, one cookie. */
		if (tgid < 65536) {
			if (cookies[tgid] && cookies[tgid] != cookie) {
				fprintf(stderr, "rmapcheck: %u has two cookies\n", tgid);
				exit(1);
			}
			cookies[tgid] = cookie;
		}
		for (i = 0; i < pages; i++)
			add(&asked, tgid, addr + i * PAGE, frame + i,
			    strstr(line + at, "mlocked"));
	}
	if (pclose(f)) {
		fprintf(stderr, "rmapcheck: %s failed\n", cmd);
		exit(1);
	}
}

/* ---- what the page tables say ----------------------------------------------- */

static void look_range(int pagemap, unsigned int tgid, uint64_t start,
		       uint64_t end, bool locked)
{
	static uint64_t buf[CHUNK];
	uint64_t at = start / PAGE, pfn;
	ssize_t n, i;

	while (at < end / PAGE) {
		n = end / PAGE - at < CHUNK ? end / PAGE - at : CHUNK;
		n = pread(pagemap, buf, n * 8, at * 8) / 8;
		if (n <= 0)
			return;		/* vsyscall, or it is gone */
		for (i = 0; i < n; i++) {
			pfn = buf[i] << 9 >> 9;
			if (buf[i] >> 63 && pfn >= folio.pfn &&
			    pfn < folio.pfn + folio.nr)
				add(&seen, tgid, (at + i) * PAGE, pfn, locked);
		}
		at += n;
	}
}

static void look_process(unsigned int tgid)
{
	unsigned long long start = 0, end = 0, from, to;
	char path[64], line[512];
	int pagemap, nr;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/pagemap", tgid);
	pagemap = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%u/smaps", tgid);
	f = fopen(path, "r");
	if (pagemap < 0 || !f)
		return;			/* it has ended */
	while (fgets(line, sizeof(line), f)) {
		nr = 0;
		if (sscanf(line, "%llx-%llx %n", &from, &to, &nr) == 2 && nr) {
			start = from;
			end = to;
		} else if (!strncmp(line, "VmFlags:", 8)) {
			look_range(pagemap, tgid, start, end, strstr(line, " lo"));
		}
	}
	fclose(f);
	close(pagemap);
}

static void look(void)
{
	DIR *d = opendir("/proc");
	struct dirent *de;

	if (!d)
		die("/proc");
	while ((de = readdir(d)))
		if (isdigit(de->d_name[0]))
			look_process(atoi(de->d_name));
	closedir(d);
}

/* ---- both ------------------------------------------------------------------- */

static void show(const char *who, const struct place *p)
{
	printf("only %s: tgid %u addr %#llx frame %#llx%s\n", who, p->tgid,
	       (unsigned long long)p->addr, (unsigned long long)p->pfn,
	       p->mlocked ? " mlocked" : "");
}

static int check(const char *pfn)
{
	unsigned int tgids = 0;
	size_t i = 0, j = 0;
	int bad = 0, c;

	asked.nr = seen.nr = 0;
	entries = writable = hidden = mlocked = huge = 0;
	ask(pfn);
	look();
	qsort(asked.v, asked.nr, sizeof(*asked.v), compare);
	qsort(seen.v, seen.nr, sizeof(*seen.v), compare);
	while (i < asked.nr || j < seen.nr) {
		c = i == asked.nr ? 1 : j == seen.nr ? -1 : compare(&asked.v[i], &seen.v[j]);
		if (!c && (asked.v[i].pfn != seen.v[j].pfn ||
			   asked.v[i].mlocked != seen.v[j].mlocked)) {
			show("in the reverse map", &asked.v[i]);
			show("in the page tables", &seen.v[j]);
			bad++;
		}
		if (c < 0)
			show("in the reverse map", &asked.v[i]);
		if (c > 0)
			show("in the page tables", &seen.v[j]);
		bad += !!c;
		if (c <= 0) {
			tgids += !i || asked.v[i].tgid != asked.v[i - 1].tgid;
			i++;
		}
		j += c >= 0;
	}
	if (folio.said != entries) {
		printf("the head says %u entries, there are %u\n", folio.said, entries);
		bad++;
	}
	if (!bad)
		printf("same %zu pages %u entries %u processes %u writable %u hidden %u mlocked %u huge\n",
		       asked.nr, entries, tgids, writable, hidden, mlocked, huge);
	return bad;
}

int main(int argc, char **argv)
{
	int i, bad = 0;

	for (i = 1; i < argc; i++)
		bad |= check(argv[i]);
	return !!bad;
}
