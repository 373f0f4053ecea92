/* The process_ families that Prometheus' own client libraries have, so that dashboards know them. */
#include "daemon/process_metrics.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STAT_FIELDS 22 /* of proc(5), counted from the state, which is the third */

struct process_stat {
	double cpu_seconds, virtual_bytes, resident_bytes;
	int64_t start_wall_us;
};

static double
seconds_of(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) == 0 ? (double)ts.tv_sec + (double)ts.tv_nsec / 1e9 : 0;
}

/* The name of the program may hold anything, so fields are counted from its closing bracket. */
static bool
read_stat(struct process_stat *ret)
{
	char buf[1024], *p, *save = NULL;
	_cleanup_close_ int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	double v[STAT_FIELDS] = { 0 }, ticks = (double)sysconf(_SC_CLK_TCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	size_t i = 0;

	if (n <= 0)
		return false;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (!p)
		return false;
	for (p = strtok_r(p + 1, " ", &save); p && i < STAT_FIELDS; p = strtok_r(NULL, " ", &save))
		v[i++] = strtod(p, NULL);
	if (i < STAT_FIELDS)
		return false;
	/* utime, stime; starttime, after boot; vsize; rss in pages */
	ret->cpu_seconds = (v[11] + v[12]) / ticks;
	ret->start_wall_us =
	    (int64_t)((seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) + v[19] / ticks) *
	              USEC_PER_SEC);
	ret->virtual_bytes = v[20];
	ret->resident_bytes = v[21] * (double)sysconf(_SC_PAGESIZE);
	return true;
}

static double
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -3; /* itself, `.` and `..` */

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void
gauge(struct exposition *e, const char *name, const char *help, double value)
{
	struct family *f = exposition_family(e, FAMILY_GAUGE, name, help);

	if (value >= 0)
		family_add(f, "", value);
}

void
process_metrics_add(struct exposition *e)
{
	struct process_stat s = { 0 };
	struct rlimit l;

	if (read_stat(&s)) {
		family_add(exposition_family(e, FAMILY_COUNTER, "process_cpu_seconds",
		               "User and system time of the daemon's loop, without its workers."),
		    "", s.cpu_seconds);
		gauge(e, "process_resident_memory_bytes", "Resident memory of the daemon's loop.",
		    s.resident_bytes);
		gauge(e, "process_virtual_memory_bytes", "Virtual memory of the daemon's loop.",
		    s.virtual_bytes);
		family_add_time(exposition_family(e, FAMILY_GAUGE, "process_start_time_seconds",
		                    "When the daemon was started."),
		    "", s.start_wall_us);
	}
	gauge(e, "process_open_fds", "Descriptors that are open.", count_descriptors());
	if (getrlimit(RLIMIT_NOFILE, &l) == 0)
		gauge(e, "process_max_fds", "Descriptors that may be open.", (double)l.rlim_cur);
}
