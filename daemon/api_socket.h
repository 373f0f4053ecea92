#pragma once
#include "base/base.h"
#include <sys/types.h>
/* Who is at the other end of an API connection. */
int api_group_find(
    const char *name, gid_t *ret); /* -ENOENT; may ask a directory service: start and reload only */
/* Root, our own user, or a member of the group (NULL: none); false for anything but a Unix socket. */
bool peer_may_write(int fd, const gid_t *admin_gid);
/* "root" or "uid 1000": names of other users may lie with a directory service, which is not asked. */
#define PEER_NAME_SIZE 24
void peer_name(int fd, char ret[static PEER_NAME_SIZE]);
