#pragma once
#include "base/base.h"
/* First 16 hexadecimal digits of SHA-256 over the parts, each preceded by its length. */
#define SHA_ID_SIZE 17
void sha_id(const char *const *parts, size_t n, char ret[static SHA_ID_SIZE]);
/* All of SHA-256 or SHA-384 (bits says which) over the bytes, in hexadecimal. */
#define SHA_HEX_SIZE 97
void sha_hex(unsigned bits, const void *data, size_t len, char ret[static SHA_HEX_SIZE]);
