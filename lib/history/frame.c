/* Frames of a file: compressed, checked, and found again behind damage. */
#include "history/frame.h"
#include <zstd.h>

static const char mark[4] = { 'd', 'b', 'h', '1' };

struct frames {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	char *raw; /* FRAME_RAW_MAX bytes */
};

struct frames *
frames_new(void)
{
	struct frames *f = xcalloc(1, sizeof(*f));

	f->pack = ZSTD_createCCtx();
	f->unpack = ZSTD_createDCtx();
	if (!f->pack || !f->unpack)
		out_of_memory();
	ZSTD_CCtx_setParameter(f->pack, ZSTD_c_checksumFlag, 1);
	f->raw = xcalloc(1, FRAME_RAW_MAX);
	return f;
}

struct frames *
frames_free(struct frames *f)
{
	if (!f)
		return NULL;
	ZSTD_freeCCtx(f->pack);
	ZSTD_freeDCtx(f->unpack);
	free(f->raw);
	free(f);
	return NULL;
}

static void
put_u32(char *at, size_t v)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (char)(v >> (8 * i));
}

static size_t
get_u32(const char *at)
{
	size_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v |= (size_t)(uint8_t)at[i] << (8 * i);
	return v;
}

void
frame_write(struct frames *f, const struct str *raw, int level, struct str *out)
{
	size_t bound = ZSTD_compressBound(raw->len), n;
	_cleanup_free_ char *packed = xcalloc(1, FRAME_HEAD + bound);

	assert(raw->len <= FRAME_RAW_MAX);
	ZSTD_CCtx_setParameter(f->pack, ZSTD_c_compressionLevel, level);
	n = ZSTD_compress2(f->pack, packed + FRAME_HEAD, bound, raw->len ? raw->s : "", raw->len);
	if (ZSTD_isError(n)) /* the bound is enough for everything: only memory is left */
		out_of_memory();
	memcpy(packed, mark, sizeof(mark));
	put_u32(packed + 4, n);
	put_u32(packed + 8, raw->len);
	str_addn(out, packed, FRAME_HEAD + n);
}

int
frame_read(struct frames *f, const char *bytes, size_t len, const char **ret_raw,
    size_t *ret_raw_len, size_t *ret_len)
{
	size_t packed, raw, n;

	if (len < FRAME_HEAD)
		return memcmp(bytes, mark, MIN(len, sizeof(mark))) == 0 ? -ENODATA : -EBADMSG;
	if (memcmp(bytes, mark, sizeof(mark)) != 0)
		return -EBADMSG;
	packed = get_u32(bytes + 4);
	raw = get_u32(bytes + 8);
	if (raw > FRAME_RAW_MAX || packed > ZSTD_compressBound(FRAME_RAW_MAX))
		return -EBADMSG;
	if (packed > len - FRAME_HEAD)
		return -ENODATA;
	n = ZSTD_decompressDCtx(f->unpack, f->raw, FRAME_RAW_MAX, bytes + FRAME_HEAD, packed);
	if (ZSTD_isError(n) || n != raw)
		return -EBADMSG;
	*ret_raw = f->raw;
	*ret_raw_len = n;
	*ret_len = FRAME_HEAD + packed;
	return 0;
}

size_t
frame_find(const char *bytes, size_t len, size_t from)
{
	const char *at = from < len ? memmem(bytes + from, len - from, mark, sizeof(mark)) : NULL;

	return at ? (size_t)(at - bytes) : len;
}
