#pragma once
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Attributes and ownership helpers that every file uses. */
#define _cleanup_(fn)  __attribute__((cleanup(fn)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_   __attribute__((warn_unused_result))
#define _noreturn_     __attribute__((noreturn))
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *take_pp_ = &(p), take_p_ = *take_pp_;                               \
		*take_pp_ = NULL;                                                                  \
		take_p_;                                                                           \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *take_fdp_ = &(fd), take_fd_ = *take_fdp_;                                     \
		*take_fdp_ = -1;                                                                   \
		take_fd_;                                                                          \
	})
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline void fn##p(type *p)                                                          \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

static inline void
freep(void *p)
{
	free(*(void **)p);
}

static inline void
closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)       ((a) < (b) ? (a) : (b))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))

static inline bool
streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/*
 * Out of memory logs and aborts (systemd restarts us).  Anything sized by a peer or a file is
 * capped before it is allocated.
 */
_noreturn_ void out_of_memory(void); /* what they do; for libraries that return ENOMEM */
void *xcalloc(size_t n, size_t size) _must_check_;
/* The same for libraries that take their memory from us (jansson, libevent), so that none of their
 * calls fails halfway: a JSON key that silently is not there would be a lost finding. */
void *xmalloc(size_t size) _must_check_;
void *xrealloc(void *, size_t size) _must_check_;
void *xreallocarray(void *, size_t n, size_t size) _must_check_;
char *xstrdup(const char *) _must_check_; /* NULL gives NULL */
char *xstrndup(const char *, size_t) _must_check_;
char *xasprintf(const char *fmt, ...) _printf_(1, 2) _must_check_;
char *xvasprintf(const char *fmt, va_list) _printf_(1, 0) _must_check_;

/* A NULL-terminated, owned array of owned strings.  NULL is the empty one. */
char **strv_free(char **); /* returns NULL */
size_t strv_len(char *const *);
bool strv_has(char *const *, const char *);
char **strv_dup(char *const *) _must_check_;
void strv_add(char ***, const char *);
/* Splits at commas, trims blanks, drops empty parts. */
char **strv_split_commas(const char *) _must_check_;
static inline void
strv_freep(char ***p)
{
	strv_free(*p);
}
#define _cleanup_strv_ _cleanup_(strv_freep)
