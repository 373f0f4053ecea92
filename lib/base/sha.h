#pragma once
#include "base/base.h"
/* First 16 hexadecimal digits of SHA-256 over the parts, each preceded by its length. */
#define SHA_ID_SIZE 17
void sha_id(const char *const *parts, size_t n, char ret[static SHA_ID_SIZE]);
