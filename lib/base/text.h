#pragma once
#include "base/base.h"
/*
 * The two doors for text.  Everything a peer said (server messages, names, rows, HTTP) comes in by
 * text_from_peer; everything a person reads on a terminal, in a text log or in MESSAGE goes out by
 * show_text.  JSON and journal fields carry the text as text_from_peer gave it.
 */
#define TEXT_MAX_BYTES ((size_t)4096)

/* Valid UTF-8 without NUL: bad bytes become U+FFFD, cut at max_bytes on a character. */
char *text_from_peer(const char *s, size_t len, size_t max_bytes) _must_check_;
/* Control, C1, bidi and line-separator characters escaped as \n, \x1b, \u202e; never a newline. */
char *show_text(const char *) _must_check_;
/* As show_text but newlines stay: for remedies and SQL that stand on lines of their own. */
char *show_text_lines(const char *) _must_check_;
/* A word of a command that people copy into a shell: quoted where it has to be. */
char *shell_word(const char *) _must_check_;
/* Cut to max_bytes on a character, with "..." when something was lost. */
char *text_ellipsis(const char *, size_t max_bytes) _must_check_;
/* Bytes of the well-formed UTF-8 character at s; 0: there is none. */
size_t text_character(const char *s, size_t len);
/* Columns that a terminal gives a UTF-8 string (wcwidth-like, locale-independent). */
size_t text_columns(const char *);
/* In place: a full stop behind a sentence that had its mark already, as "Is it running?.", goes. */
void text_one_stop(char *);
