#pragma once
#include "base/base.h"
/*
 * "DB/CHECK" or "DB/CHECK/OBJECT": DB is the longest of the known names that the text begins with
 * up to a `/`, then the id, the rest is the object ("" none).  False when no name fits.  Owned.
 */
bool resolve_split(const char *text, const char *const *names, size_t n, char **ret_db,
    char **ret_check, char **ret_object);
/* Whether the text can be the beginning of a finding's id: 4 to 16 hexadecimal digits. */
bool resolve_is_id(const char *text);
