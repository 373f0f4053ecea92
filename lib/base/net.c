/* Addresses, networks and host names as people write them. */
#include "base/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>

/* The bytes that are compared, and how many bits they are. */
struct bits {
	unsigned char v[sizeof(struct in6_addr)];
	unsigned n;
};

static bool
parse_bits(const char *text, struct bits *ret)
{
	*ret = (struct bits){ .n = 32 };
	if (inet_pton(AF_INET, text, ret->v) == 1)
		return true;
	ret->n = 128;
	return inet_pton(AF_INET6, text, ret->v) == 1;
}

/* An IPv4 address that came through an IPv6 socket is that IPv4 address. */
static bool
sockaddr_bits(const struct sockaddr *sa, struct bits *ret)
{
	const struct in6_addr *six;

	*ret = (struct bits){ 0 };
	if (sa->sa_family == AF_INET) {
		ret->n = 32;
		memcpy(ret->v, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	six = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(six)) {
		ret->n = 32;
		memcpy(ret->v, six->s6_addr + 12, 4);
	} else {
		ret->n = 128;
		memcpy(ret->v, six->s6_addr, 16);
	}
	return true;
}

/* Digits only, from 0 to max. */
static int
parse_digits(const char *s, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (!*s || strlen(s) > 5)
		return -EINVAL;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		n = n * 10 + (unsigned)(*s - '0');
	}
	if (n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

int
net_address_parse(const char *text, struct net_address *ret)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *colon = strrchr(copy, ':'), *host = copy;
	struct sockaddr_in *four = (struct sockaddr_in *)&ret->sa;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->sa;
	bool bracketed = *copy == '[' && colon && colon > copy && colon[-1] == ']';
	unsigned port;
	struct bits bits;

	if (!colon || parse_digits(colon + 1, 65535, &port) < 0 || port == 0)
		return -EINVAL;
	*colon = '\0';
	if (bracketed) {
		colon[-1] = '\0';
		host++;
	}
	if (!parse_bits(host, &bits) || bracketed != (bits.n == 128))
		return -EINVAL;
	*ret = (struct net_address){ 0 };
	if (bits.n == 32) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		memcpy(&four->sin_addr, bits.v, 4);
		ret->len = sizeof(*four);
	} else {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		memcpy(&six->sin6_addr, bits.v, 16);
		ret->len = sizeof(*six);
	}
	return 0;
}

void
net_address_text(const struct sockaddr *sa, char ret[static NET_TEXT_SIZE])
{
	struct bits bits;

	if (!sockaddr_bits(sa, &bits) ||
	    !inet_ntop(bits.n == 32 ? AF_INET : AF_INET6, bits.v, ret, NET_TEXT_SIZE))
		snprintf(ret, NET_TEXT_SIZE, "?");
}

static bool
same_prefix(const struct bits *a, const struct bits *b, unsigned n)
{
	unsigned whole = n / 8, rest = n % 8;

	if (a->n != b->n || memcmp(a->v, b->v, whole) != 0)
		return false;
	return rest == 0 || (a->v[whole] ^ b->v[whole]) >> (8 - rest) == 0;
}

/* "10.0.0.0/8"; without a slash one address. */
static bool
parse_network(const char *text, struct bits *ret, unsigned *ret_prefix)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *slash = strchr(copy, '/');

	if (slash)
		*slash = '\0';
	if (!parse_bits(copy, ret))
		return false;
	*ret_prefix = ret->n;
	return !slash || parse_digits(slash + 1, ret->n, ret_prefix) == 0;
}

static bool
bits_are_in(const struct bits *bits, const char *network)
{
	struct bits net;
	unsigned prefix;

	return parse_network(network, &net, &prefix) && same_prefix(bits, &net, prefix);
}

bool
net_is_loopback(const struct sockaddr *sa)
{
	struct bits bits;

	return sockaddr_bits(sa, &bits) &&
	       (bits_are_in(&bits, "127.0.0.0/8") || bits_are_in(&bits, "::1"));
}

int
net_network_check(const char *text)
{
	struct bits net;
	unsigned prefix;

	return parse_network(text, &net, &prefix) ? 0 : -EINVAL;
}

bool
net_is_in(const struct sockaddr *sa, char *const *networks)
{
	struct bits bits;

	if (!sockaddr_bits(sa, &bits))
		return false;
	for (; networks && *networks; networks++)
		if (bits_are_in(&bits, *networks))
			return true;
	return false;
}

/* ---- Host ---- */

static bool
is_host_name(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > 253)
		return false;
	for (; *s; s++)
		if (!isascii((unsigned char)*s) ||
		    (!isalnum((unsigned char)*s) && !strchr("-._", *s)))
			return false;
	return true;
}

int
net_host_parse(const char *text, char **ret_name, bool *ret_is_address)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *host = copy, *port, *end;
	unsigned number;
	struct bits bits;

	if (*copy == '[') {
		end = strchr(copy, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		port = end[1] ? end + 2 : NULL;
		*end = '\0';
		host = copy + 1;
	} else {
		end = strchr(copy, ':');
		port = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
	}
	if (port && parse_digits(port, 65535, &number) < 0)
		return -EINVAL;
	*ret_is_address = parse_bits(host, &bits);
	if (*copy == '[' ? !*ret_is_address || bits.n != 128 : !is_host_name(host))
		return -EINVAL;
	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	*ret_name = xstrdup(host);
	return 0;
}
