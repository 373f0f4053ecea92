/* The service manager's datagrams, on a real socket that is read or not, and the pulse's rules. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/notify.h"
#include "daemon/pulse.h"
#include "worker/worker.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { NULL };

struct manager {
	struct event_base *base;
	char address[64];
	int fd;
	struct notify *notify;
};

static void
manager_open(struct manager *m)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len;

	*m = (struct manager){ .base = event_base_new() };
	snprintf(m->address, sizeof(m->address), "@dbhealthd-test-notify-%d", (int)getpid());
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(m->address));
	memcpy(sa.sun_path, m->address, strlen(m->address));
	sa.sun_path[0] = '\0';
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(m->fd, (struct sockaddr *)&sa, len), 0);
	m->notify = notify_new(m->base, m->address);
}

static void
manager_close(struct manager *m)
{
	notify_free(m->notify);
	event_base_free(m->base);
	close(m->fd);
}

/* The next datagram that is no filler; "" when there is none. */
static const char *
heard(struct manager *m)
{
	static char buf[512];
	ssize_t n;

	do {
		n = recv(m->fd, buf, sizeof(buf) - 1, 0);
		buf[MAX(n, 0)] = '\0';
	} while (streq(buf, "filler"));
	return buf;
}

/* Nobody reads: another sender has filled the queue. */
static void
stuff(struct manager *m)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(m->fd, (struct sockaddr *)&sa, &len), 0);
	for (size_t n = 0; sendto(fd, "filler", 6, 0, (struct sockaddr *)&sa, len) > 0; n++)
		assert_true(n < 100000);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void
turn(struct manager *m, int64_t us)
{
	struct timeval tv = { us / USEC_PER_SEC, us % USEC_PER_SEC };

	event_base_loopexit(m->base, &tv);
	event_base_dispatch(m->base);
}

static void
test_in_order(void **state)
{
	struct manager m;

	(void)state;
	manager_open(&m);
	notify_status(m.notify, "reading the state");
	notify_ready(m.notify);
	notify_status(m.notify, "first round 0/2");
	notify_status(m.notify, "first round 0/2");
	notify_ping(m.notify);
	assert_string_equal(heard(&m), "STATUS=reading the state");
	assert_string_equal(heard(&m), "READY=1");
	assert_string_equal(heard(&m), "STATUS=first round 0/2");
	assert_string_equal(heard(&m), "WATCHDOG=1");
	notify_reloading(m.notify);
	assert_true(str_starts(heard(&m), "RELOADING=1\nMONOTONIC_USEC="));
	notify_ready(m.notify);
	assert_string_equal(heard(&m), "READY=1");
	notify_stopping(m.notify);
	assert_string_equal(heard(&m), "STOPPING=1");
	assert_string_equal(heard(&m), "");
	manager_close(&m);
}

/* A manager that takes nothing costs no time, and hears what counts once it listens again. */
static void
test_stuck_manager(void **state)
{
	int64_t begin = clock_now_us();
	struct manager m;
	char text[64];

	(void)state;
	manager_open(&m);
	stuff(&m);
	notify_ready(m.notify);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "first round %d/1000", i);
		notify_status(m.notify, text);
		notify_ping(m.notify);
		notify_reloading(m.notify);
		if (i % 3)
			notify_ready(m.notify);
	}
	notify_ready(m.notify);
	notify_stopping(m.notify);
	assert_true(clock_now_us() - begin < 5 * USEC_PER_SEC);
	assert_string_equal(heard(&m), "");
	turn(&m, 300 * USEC_PER_MSEC);
	assert_string_equal(heard(&m), "READY=1");
	assert_true(str_starts(heard(&m), "RELOADING=1\n"));
	assert_string_equal(heard(&m), "READY=1");
	assert_string_equal(heard(&m), "STOPPING=1");
	assert_string_equal(heard(&m), "WATCHDOG=1");
	assert_string_equal(heard(&m), "STATUS=first round 999/1000");
	assert_string_equal(heard(&m), "");
	manager_close(&m);
}

static void
test_ping_is_taken_back(void **state)
{
	struct manager m;

	(void)state;
	manager_open(&m);
	stuff(&m);
	notify_ping(m.notify);
	notify_hold_ping(m.notify);
	assert_string_equal(heard(&m), "");
	turn(&m, 300 * USEC_PER_MSEC);
	assert_string_equal(heard(&m), "");
	manager_close(&m);
}

static void
test_nobody_to_tell(void **state)
{
	static const char *const addresses[] = { NULL, "", "vsock:2:1", "relative", "@",
		"/nowhere/at/all",
		"/0123456789012345678901234567890123456789012345678901234567890123456789"
		"012345678901234567890123456789012345678901234567890123456789" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct event_base *base = event_base_new();
		struct notify *n = notify_new(base, addresses[i]);

		for (int k = 0; k < 10; k++) {
			notify_reloading(n);
			notify_ready(n);
			notify_status(n, "x");
			notify_ping(n);
		}
		notify_stopping(n);
		notify_free(n);
		event_base_free(base);
	}
}

static void
test_status_text(void **state)
{
	static const struct {
		size_t done, all;
		size_t n[STATUS_N];
		const char *expect;
	} cases[] = {
		{ 312, 1000, { 0 }, "first round 312/1000" },
		{ 0, 0, { 0 }, "no database found yet" },
		{ 54, 54, { [STATUS_CRITICAL] = 1, [STATUS_WARNING] = 2, [STATUS_OK] = 51 },
		    "54 databases: 1 critical, 2 warning, 51 ok" },
		{ 1, 1, { [STATUS_OK] = 1 }, "1 database: 1 ok" },
		{ 3, 3, { [STATUS_UNKNOWN] = 2, [STATUS_CRITICAL] = 1 },
		    "3 databases: 1 critical, 2 unknown" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
		    pulse_status_text(cases[i].done, cases[i].all, cases[i].n);

		assert_string_equal(text, cases[i].expect);
	}
}

/* Whatever the limit: a daemon that is well is heard in time, also when its last look was bad. */
static void
test_watchdog_rules(void **state)
{
	static const int64_t limits[] = { 1, 2, 30, 86400 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		int64_t limit = limits[i] * USEC_PER_SEC;

		assert_true(pulse_is_well(0, limit));
		assert_true(pulse_is_well(limit / 2 - 1, limit));
		assert_false(pulse_is_well(limit / 2, limit));
		assert_false(pulse_is_well(limit * 10, limit));
		assert_true(pulse_pace_us(true, limit) + pulse_pace_us(false, limit) < limit / 2);
		assert_true(pulse_pace_us(false, limit) > 0);
	}
	assert_true(pulse_pace_us(false, 1) > 1000); /* no busy loop, whatever the unit says */
}

static void
test_watchdog_environment(void **state)
{
	static const struct {
		const char *limit, *pid;
		int64_t expect;
	} cases[] = {
		{ NULL, NULL, 0 },
		{ "30000000", NULL, 30000000 },
		{ "30000000", "1", 0 },
		{ "30000000", "self", 30000000 },
		{ "0", NULL, 0 },
		{ "soon", NULL, 0 },
		{ "18446744073709551614", NULL, 0 },
	};
	char self[24];

	(void)state;
	snprintf(self, sizeof(self), "%d", (int)getpid());
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (cases[i].limit)
			setenv("WATCHDOG_USEC", cases[i].limit, 1);
		if (cases[i].pid)
			setenv(
			    "WATCHDOG_PID", streq(cases[i].pid, "self") ? self : cases[i].pid, 1);
		assert_int_equal(pulse_watchdog_us(), cases[i].expect);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_stuck_manager),
		cmocka_unit_test(test_ping_is_taken_back),
		cmocka_unit_test(test_nobody_to_tell),
		cmocka_unit_test(test_status_text),
		cmocka_unit_test(test_watchdog_rules),
		cmocka_unit_test(test_watchdog_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
