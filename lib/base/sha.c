/* Identities: a short digest of parts that cannot be confused by where one part ends. */
#include "base/sha.h"
#include <openssl/evp.h>
#include <stdio.h>

static void
digest_cleanup(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

void
sha_id(const char *const *parts, size_t n, char ret[static SHA_ID_SIZE])
{
	_cleanup_(digest_cleanup) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char hash[EVP_MAX_MD_SIZE];
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

	for (size_t i = 0; ok && i < n; i++) {
		uint64_t len = strlen(parts[i]);
		unsigned char prefix[8];

		for (size_t b = 0; b < sizeof(prefix); b++)
			prefix[b] = (unsigned char)(len >> (56 - 8 * b) & 0xff);
		ok = EVP_DigestUpdate(ctx, prefix, sizeof(prefix)) &&
		     EVP_DigestUpdate(ctx, parts[i], (size_t)len);
	}
	ok = ok && EVP_DigestFinal_ex(ctx, hash, NULL);
	assert(ok); /* SHA-256 fails only without memory or without a crypto library */
	for (size_t i = 0; i < 8; i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}
