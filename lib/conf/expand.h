#pragma once
#include "base/err.h"
#include "base/snapshot.h"
/*
 * ${NAME} and ${NAME:-x} from the environment, @{NAME} from a file in $CREDENTIALS_DIRECTORY, $$ a
 * dollar; once, what came in is not looked at again.  *ret_outside tells whether something came
 * from outside the file: then the text may be a secret and is not to be shown.  -ENOKEY: credentials
 * are not for this process to see.
 */
int conf_expand(
    const char *raw, struct snapshot *, char **ret, bool *ret_outside, struct err *) _must_check_;
