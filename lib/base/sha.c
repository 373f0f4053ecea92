/*
 * Identities: a short digest of parts that cannot be confused by where one part ends.
 * By the plain functions: EVP would load providers and configuration, 2 MB that nothing else needs.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha.h"
#include <openssl/sha.h>
#include <stdio.h>

void
sha_id(const char *const *parts, size_t n, char ret[static SHA_ID_SIZE])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;
	int ok = SHA256_Init(&ctx);

	for (size_t i = 0; ok && i < n; i++) {
		uint64_t len = strlen(parts[i]);
		unsigned char prefix[8];

		for (size_t b = 0; b < sizeof(prefix); b++)
			prefix[b] = (unsigned char)(len >> (56 - 8 * b) & 0xff);
		ok = SHA256_Update(&ctx, prefix, sizeof(prefix)) &&
		     SHA256_Update(&ctx, parts[i], (size_t)len);
	}
	ok = ok && SHA256_Final(hash, &ctx);
	assert(ok);
	for (size_t i = 0; i < 8; i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

void
sha_hex(unsigned bits, const void *data, size_t len, char ret[static SHA_HEX_SIZE])
{
	unsigned char hash[SHA384_DIGEST_LENGTH];

	assert(bits == 256 || bits == 384);
	if (bits == 256)
		SHA256(data, len, hash);
	else
		SHA384(data, len, hash);
	for (size_t i = 0; i < bits / 8; i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}
