#pragma once
#include "base/base.h"
#include <sys/socket.h>
/* Internet addresses as text, without a resolver: what is written is an address or nothing. */
#define NET_TEXT_SIZE 64 /* "[2001:db8::1]:65535" */
struct net_address {
	struct sockaddr_storage sa;
	socklen_t len;
};
/* "127.0.0.1:9630", "[::1]:9630": 0 or -EINVAL. */
int net_address_parse(const char *text, struct net_address *ret) _must_check_;
void net_address_text(const struct sockaddr *, char ret[static NET_TEXT_SIZE]); /* without a port */
bool net_is_loopback(const struct sockaddr *);
/* "10.0.0.0/8", "::1": 0 or -EINVAL. */
int net_network_check(const char *text) _must_check_;
/* Whether the address is in one of the networks, which are valid; NULL: in none. */
bool net_is_in(const struct sockaddr *, char *const *networks);
/*
 * What a Host field names, in small letters, without port and brackets: 0, or -EINVAL for what is
 * no host.  *ret_is_address: 127.0.0.1 or [::1].
 */
int net_host_parse(const char *text, char **ret_name, bool *ret_is_address) _must_check_;
