/*
 * Whose a page is.  SQLite before 3.42 says only the number of a damaged page, and dbstat, which could
 * tell, goes in circles where a tree does.  Here each tree is followed down its inner pages, no page
 * twice, in the file as the newest commit in its log leaves it.
 */
#include "sqlite/owners.h"
#include "base/str.h"
#include "sqlite/bytes.h"

#include <jansson.h>
#include <sqlite3.h>

#define PAGES_MAX   (INT64_C(1) << 27) /* 16 MB to remember who was seen */
#define TARGETS_MAX 1000
#define ROOTS_MAX   100000
#define FRAMES_MAX  (INT64_C(1) << 20)
#define PAGE_MAX    65536

struct frame {
	uint32_t page;
	int64_t at;
};
struct walk {
	sqlite3_file *file, *wal;
	int64_t size, pages;  /* of a page; how many */
	struct frame *frames; /* of the log, the newest of a page last among its own */
	size_t nframes;
	unsigned char *seen;
	uint32_t *stack;
	size_t depth, room;
	uint32_t *targets; /* in order */
	size_t ntargets;
	json_t *found;
};

/* ---- pages ---- */

static bool
read_at(sqlite3_file *f, void *to, int len, int64_t at)
{
	return f && f->pMethods && f->pMethods->xRead(f, to, len, at) == SQLITE_OK;
}

static int
by_page(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Frames up to the last commit of the log's own round; those of the round before have another salt. */
static void
read_log(struct walk *w)
{
	unsigned char head[WAL_HEAD], h[FRAME_HEAD];
	size_t committed = 0, room = 0;

	if (!read_at(w->wal, head, sizeof(head), 0) || (get_be32(head) & ~1U) != 0x377f0682)
		return;
	for (int64_t i = 0; i < FRAMES_MAX; i++) {
		int64_t at = WAL_HEAD + i * (FRAME_HEAD + w->size);

		if (!read_at(w->wal, h, sizeof(h), at) || memcmp(h + 8, head + 16, 8) != 0)
			break;
		if (w->nframes == room) {
			room = MAX(2 * room, (size_t)256);
			w->frames = xreallocarray(w->frames, room, sizeof(*w->frames));
		}
		w->frames[w->nframes++] = (struct frame){ get_be32(h), at + FRAME_HEAD };
		if (get_be32(h + 4) != 0)
			committed = w->nframes;
	}
	w->nframes = committed;
	if (committed > 0)
		qsort(w->frames, w->nframes, sizeof(*w->frames), by_page);
}

/* Where the newest of a page lies in the log; -1: in the file. */
static int64_t
in_log(const struct walk *w, uint32_t page)
{
	size_t lo = 0, hi = w->nframes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->frames[mid].page <= page)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && w->frames[lo - 1].page == page ? w->frames[lo - 1].at : -1;
}

static bool
read_page(const struct walk *w, uint32_t page, unsigned char *to, int len)
{
	int64_t at = in_log(w, page);

	return at >= 0 ? read_at(w->wal, to, len, at)
	               : read_at(w->file, to, len, (int64_t)(page - 1) * w->size);
}

/* ---- trees ---- */

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
come_to(struct walk *w, uint32_t page, uint32_t root)
{
	if (page == 0 || page > w->pages || (w->seen[page / 8] & 1U << page % 8))
		return;
	w->seen[page / 8] |= (unsigned char)(1U << page % 8);
	if (bsearch(&page, w->targets, w->ntargets, sizeof(page), by_number))
		json_array_append_new(
		    w->found, json_pack("[II]", (json_int_t)page, (json_int_t)root));
	if (w->depth == w->room) {
		w->room = MAX(2 * w->room, (size_t)256);
		w->stack = xreallocarray(w->stack, w->room, sizeof(*w->stack));
	}
	w->stack[w->depth++] = page;
}

static void
look_into(struct walk *w, uint32_t page, uint32_t root)
{
	unsigned char p[PAGE_MAX];
	size_t head = page == 1 ? 100 : 0, cells;

	/* Most are leaves, which a few bytes tell. */
	if (!read_page(w, page, p, (int)head + 12) || (p[head] != 2 && p[head] != 5) ||
	    !read_page(w, page, p, (int)w->size))
		return;
	cells = get_be16(p + head + 3);
	come_to(w, get_be32(p + head + 8), root);
	for (size_t i = 0; i < cells && head + 14 + 2 * i <= (size_t)w->size; i++) {
		size_t at = get_be16(p + head + 12 + 2 * i);

		if (at + 4 <= (size_t)w->size)
			come_to(w, get_be32(p + at), root);
	}
}

static void
follow(struct walk *w, uint32_t root)
{
	come_to(w, root, root);
	while (w->depth > 0 && json_array_size(w->found) < w->ntargets)
		look_into(w, w->stack[--w->depth], root);
	w->depth = 0;
}

static void
follow_all(struct walk *w, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int64_t n = 0;

	follow(w, 1);
	if (sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE rootpage > 1", -1, &st,
	        NULL) == SQLITE_OK)
		while (n++ < ROOTS_MAX && json_array_size(w->found) < w->ntargets &&
		       sqlite3_step(st) == SQLITE_ROW)
			follow(w, (uint32_t)sqlite3_column_int64(st, 0));
	sqlite3_finalize(st);
}

/* ---- the function ---- */

static int64_t
pragma_int(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t n = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void
take_targets(struct walk *w, const char *text)
{
	json_t *a = json_loads(text, 0, NULL), *v;
	size_t i;

	w->targets = xcalloc(json_array_size(a) + 1, sizeof(*w->targets));
	json_array_foreach (a, i, v) {
		json_int_t n = json_integer_value(v);

		if (n > 0 && n <= w->pages && w->ntargets < TARGETS_MAX)
			w->targets[w->ntargets++] = (uint32_t)n;
	}
	json_decref(a);
	if (w->ntargets > 0)
		qsort(w->targets, w->ntargets, sizeof(*w->targets), by_number);
}

static bool
begin(struct walk *w, sqlite3 *db)
{
	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &w->file) != SQLITE_OK)
		return false;
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &w->wal);
	w->size = pragma_int(db, "PRAGMA page_size");
	w->pages = pragma_int(db, "PRAGMA page_count");
	return w->size >= 512 && w->size <= PAGE_MAX && w->pages > 0 && w->pages <= PAGES_MAX;
}

static void
on_owners(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	sqlite3 *db = sqlite3_context_db_handle(ctx);
	const char *pages = (const char *)sqlite3_value_text(argv[0]);
	struct walk w = { 0 };
	char *text = NULL;

	(void)argc;
	if (!pages)
		return;
	w.found = json_array();
	if (begin(&w, db)) {
		take_targets(&w, pages);
		w.seen = xcalloc((size_t)w.pages / 8 + 1, 1);
		read_log(&w);
		if (w.ntargets > 0)
			follow_all(&w, db);
	}
	text = json_dumps(w.found, JSON_COMPACT);
	sqlite3_result_text(ctx, text ? text : "[]", -1, SQLITE_TRANSIENT);
	free(text);
	json_decref(w.found);
	free(w.frames);
	free(w.seen);
	free(w.stack);
	free(w.targets);
}

int
owners_register(sqlite3 *db)
{
	return sqlite3_create_function(db, "page_owners", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
	           on_owners, NULL, NULL) == SQLITE_OK
	           ? 0
	           : -ENOMEM;
}
