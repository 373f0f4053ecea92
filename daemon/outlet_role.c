/*
 * `--worker journal`: the process that waits for whoever reads our words, a terminal, a pipe or
 * journald, so that the loop does not.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "daemon/outlet.h"
#include "daemon/store_wire.h"
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define FIELDS_MAX      128
#define JOURNALD_SOCKET "/run/systemd/journal/socket"
#define PAUSE_MIN_MS    50
#define PAUSE_MAX_MS    1000

/* Another process may have made the shared description non-blocking: then wait by poll. */
static void
write_all(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, s, len);

		if (n > 0) {
			s += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			/* Nobody can read it any more; saying so has no place to go either. */
			return;
		}
	}
}

/* journald's socket has no file while systemd makes it anew; libsystemd takes that for "no journal"
 * and drops the entry without a word. */
static int
send_fields(const struct iovec *iov, int n)
{
	if (access(JOURNALD_SOCKET, F_OK) < 0)
		return -ENOENT;
	return sd_journal_sendv(iov, n);
}

/* Blocks while journald reads nothing, and goes on when it is there again. */
static void
send_patiently(const struct iovec *iov, int n)
{
	int pause_ms = PAUSE_MIN_MS, r;

	while ((r = send_fields(iov, n)) < 0) {
		/* This entry will never do; the others may. */
		if (r == -EINVAL || r == -E2BIG || r == -EBADMSG)
			return;
		poll(NULL, 0, pause_ms);
		pause_ms = MIN(2 * pause_ms, PAUSE_MAX_MS);
	}
}

static int
send_entry(const char *payload, size_t len)
{
	struct wire w = { payload, len };
	struct iovec iov[FIELDS_MAX];
	int n = 0;

	while (w.left > 0 && n < FIELDS_MAX) {
		char *field = wire_take(&w);

		if (!field)
			break;
		iov[n++] = (struct iovec){ field, strlen(field) };
	}
	if (n > 0)
		send_patiently(iov, n);
	for (int i = 0; i < n; i++)
		free(iov[i].iov_base);
	return w.left == 0 ? 0 : -EPROTO;
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	uint32_t size;

	if (type != OUTLET_WRITE && type != OUTLET_SEND)
		return -EPROTO;
	while (len >= sizeof(size)) {
		memcpy(&size, payload, sizeof(size));
		payload += sizeof(size);
		len -= sizeof(size);
		if (size > len)
			return -EPROTO;
		if (type == OUTLET_WRITE)
			write_all(payload, size);
		else if (send_entry(payload, size) < 0)
			return -EPROTO;
		if (worker_send(OUTLET_TOLD, NULL, 0) < 0)
			return -EPIPE;
		payload += size;
		len -= size;
	}
	return len == 0 ? 0 : -EPROTO;
}

/* systemd asks every process of the unit to stop; the last words are still to come. */
static int
begin(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

const struct worker_role journal_role = {
	.name = "journal",
	.address_space = (size_t)256 << 20,
	.serve = serve,
	.begin = begin,
};
