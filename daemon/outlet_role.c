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

#define FIELDS_MAX 128

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
		sd_journal_sendv(iov, n);
	for (int i = 0; i < n; i++)
		free(iov[i].iov_base);
	return w.left == 0 ? 0 : -EPROTO;
}

/* Entries follow one another as length and fields. */
static int
send_entries(const char *payload, size_t len)
{
	uint32_t size;

	while (len >= sizeof(size)) {
		memcpy(&size, payload, sizeof(size));
		if (size > len - sizeof(size) || send_entry(payload + sizeof(size), size) < 0)
			return -EPROTO;
		payload += sizeof(size) + size;
		len -= sizeof(size) + size;
	}
	return len == 0 ? 0 : -EPROTO;
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	if (type == OUTLET_WRITE)
		write_all(payload, len);
	else if (type == OUTLET_SEND)
		return send_entries(payload, len);
	else
		return -EPROTO;
	return 0;
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
