#pragma once
#include "base/err.h"
/* Encryption by an existing program: age or gpg, which reads stdin and writes stdout. */
/*
 * "age:RECIPIENT" or "gpg:KEYID", several with commas between; the words of a command, owned; -EINVAL, -ENOENT: no such program.
 */
int encrypt_command(const char *spec, char ***ret, struct err *) _must_check_;
/* The reverse, by the keys that the caller has (gpg-agent; age: $AGE_IDENTITY_FILE); -EKEYREJECTED. */
int decrypt_command(const char *spec, char ***ret, struct err *) _must_check_;
/* What files get behind their name: ".age", ".gpg"; constant; "" for NULL. */
const char *encrypt_suffix(const char *spec);
/* What it said when it failed, if it is about the key: -EKEYREJECTED with words; else r, and err stays. */
int decrypt_failed(const char *said, int r, struct err *);
