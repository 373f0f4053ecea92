/* Addresses, networks and Host fields: what is one, and what only looks like it. */
#include "base/net.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct net_address
address(const char *host)
{
	struct net_address a;
	char text[80];

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:1" : "%s:1", host);
	if (net_address_parse(text, &a) < 0)
		fail_msg("no address: %s", host);
	return a;
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *text;
		int family;
		bool loopback;
	} cases[] = {
		{ "127.0.0.1:9630", AF_INET, true },
		{ "127.9.9.9:1", AF_INET, true },
		{ "128.0.0.1:1", AF_INET, false },
		{ "0.0.0.0:65535", AF_INET, false },
		{ "[::1]:9630", AF_INET6, true },
		{ "[0:0:0:0:0:0:0:1]:1", AF_INET6, true },
		{ "[::]:1", AF_INET6, false },
		{ "[::ffff:127.0.0.1]:1", AF_INET6, true },
		{ "[::ffff:10.0.0.1]:1", AF_INET6, false },
		{ "[2001:db8::1]:80", AF_INET6, false },
	};
	static const char *const bad[] = { "", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
		"127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:1x",
		"127.0.0.1:000001", "localhost:80", "::1:80", "[::1]", "[::1]80", "[127.0.0.1]:80",
		"[::1:80", "1.2.3:80", "1.2.3.4.5:80", "0x7f000001:80", "[fe80::1%lo]:80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_address a;

		if (net_address_parse(cases[i].text, &a) < 0)
			fail_msg("refused: %s", cases[i].text);
		assert_int_equal(a.sa.ss_family, cases[i].family);
		if (net_is_loopback((struct sockaddr *)&a.sa) != cases[i].loopback)
			fail_msg("loopback: %s", cases[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct net_address a;

		if (net_address_parse(bad[i], &a) == 0)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void
test_networks(void **state)
{
	static const struct {
		const char *address, *network;
		bool in;
	} cases[] = {
		{ "10.1.2.3", "10.0.0.0/8", true },
		{ "11.0.0.0", "10.0.0.0/8", false },
		{ "10.1.2.3", "10.1.2.3", true },
		{ "10.1.2.4", "10.1.2.3", false },
		{ "10.1.2.4", "10.1.2.3/0", true },
		{ "10.1.2.3", "10.1.2.2/31", true },
		{ "10.1.2.4", "10.1.2.2/31", false },
		{ "10.127.0.1", "10.64.0.0/10", true },
		{ "10.128.0.1", "10.64.0.0/10", false },
		{ "::ffff:10.1.2.3", "10.0.0.0/8", true },
		{ "10.1.2.3", "::/0", false },
		{ "2001:db8::1", "0.0.0.0/0", false },
		{ "2001:db8:8000::1", "2001:db8::/32", true },
		{ "2001:db9::1", "2001:db8::/32", false },
		{ "::1", "::1/128", true },
		{ "::2", "::1/128", false },
	};
	static const char *const bad[] = { "", "/", "10.0.0.0/", "10.0.0.0/33", "::/129",
		"10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8x", "10.0.0", "example.com",
		"10.0.0.0 /8" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_address a = address(cases[i].address);
		char *list[] = { (char *)"192.0.2.0/24", (char *)cases[i].network, NULL };

		assert_int_equal(net_network_check(cases[i].network), 0);
		if (net_is_in((struct sockaddr *)&a.sa, list) != cases[i].in)
			fail_msg("%s in %s", cases[i].address, cases[i].network);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (net_network_check(bad[i]) == 0)
			fail_msg("accepted: %s", bad[i]);
}

static void
test_no_network_holds_a_unix_socket(void **state)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	char *all[] = { (char *)"0.0.0.0/0", (char *)"::/0", NULL };
	char text[NET_TEXT_SIZE];

	(void)state;
	assert_false(net_is_in(&sa, all));
	assert_false(net_is_in(&sa, NULL));
	assert_false(net_is_loopback(&sa));
	net_address_text(&sa, text);
	assert_string_equal(text, "?");
}

static void
test_text(void **state)
{
	static const char *const texts[] = { "10.1.2.3", "2001:db8::1" };
	char text[NET_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct net_address a = address(texts[i]);

		net_address_text((struct sockaddr *)&a.sa, text);
		assert_string_equal(text, texts[i]);
	}
}

static void
test_hosts(void **state)
{
	static const struct {
		const char *text, *name; /* NULL: no host */
		bool address;
	} cases[] = {
		{ "localhost", "localhost", false },
		{ "LocalHost:9630", "localhost", false },
		{ "db7.Example.com:80", "db7.example.com", false },
		{ "127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1:9630", "127.0.0.1", true },
		{ "[::1]", "::1", true },
		{ "[::1]:9630", "::1", true },
		{ "[2001:DB8::1]:9630", "2001:db8::1", true },
		{ "localhost.", "localhost.", false },
		{ "127.0.0.1.evil.example", "127.0.0.1.evil.example", false },
		{ "2130706433", "2130706433", false },
		{ "", NULL, false },
		{ ":80", NULL, false },
		{ "localhost:", NULL, false },
		{ "localhost:x", NULL, false },
		{ "localhost:80:80", NULL, false },
		{ "localhost:123456", NULL, false },
		{ "::1", NULL, false },
		{ "[::1", NULL, false },
		{ "[::1]x", NULL, false },
		{ "[127.0.0.1]", NULL, false },
		{ "[localhost]", NULL, false },
		{ "a@localhost", NULL, false },
		{ "localhost/", NULL, false },
		{ "local host", NULL, false },
		{ "localhost,evil.example", NULL, false },
		{ "\xc3\xa4.example", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = NULL;
		bool is_address = false;

		if (net_host_parse(cases[i].text, &name, &is_address) < 0) {
			if (cases[i].name)
				fail_msg("refused: %s", cases[i].text);
			continue;
		}
		if (!cases[i].name)
			fail_msg("accepted: %s", cases[i].text);
		assert_string_equal(name, cases[i].name);
		assert_int_equal(is_address, cases[i].address);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_no_network_holds_a_unix_socket),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
