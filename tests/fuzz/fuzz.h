#pragma once
#include "base/err.h"
#include <stdio.h>
/*
 * What the harnesses share.  Each is one file with LLVMFuzzerTestOneInput: libFuzzer drives it
 * (make fuzz), and replay.c runs the kept corpus through it (unit tests, any compiler).
 *
 * Inputs of several parts have them parted by control bytes that no dictionary lacks: 0x1d between
 * groups, 0x1e between rows, 0x1f between cells.
 */
#define FUZZ_GROUP '\x1d'
#define FUZZ_ROW   '\x1e'
#define FUZZ_CELL  '\x1f'

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define CHECK(cond)            ((cond) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond, NULL))
#define CHECK_SHOW(cond, text) ((cond) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond, text))
/* What holds between two calls, unless a test makes the memory of one of them fail. */
#define CHECK_SAME(cond)                                                                           \
	((cond) || getenv("ENOMEM_AT") ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond, NULL))
_noreturn_ void fuzz_fail(const char *file, int line, const char *what, const char *text);

struct fuzz_in {
	const char *p;
	size_t left;
};
struct fuzz_in fuzz_in(const uint8_t *data, size_t size);
unsigned fuzz_byte(struct fuzz_in *); /* 0 at the end */
/* Everything up to the separator, which is taken too, or to the end. */
struct fuzz_in fuzz_until(struct fuzz_in *, char separator);
char *fuzz_text(struct fuzz_in) _must_check_; /* ends at a NUL */
char *fuzz_text_until(struct fuzz_in *, char separator) _must_check_;

/* Text that came through text_from_peer: UTF-8, by a reader that is not our own. */
void check_utf8(const char *);
/* Text for people: UTF-8 and nothing that a terminal obeys; newlines only where lines are. */
void check_shown(const char *, bool lines);
/* The same of a text report: ends with a newline, if it says anything. */
void check_report(const char *);

/* A private folder in memory; what is in it is gone when the process ends. */
const char *fuzz_folder(void);
void fuzz_write(const char *path, const void *, size_t);
/* Diagnostics are checked and go nowhere. */
void fuzz_quiet(void);
