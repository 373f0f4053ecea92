/*
 * The words of the commands that encrypt and decrypt.  Both programs read stdin and write stdout, so that
 * nothing of a backup lies on the disk in the clear; what is a key to one is no option to it.
 */
#include "backup/encrypt.h"
#include "base/str.h"

#include <ctype.h>

#define IDENTITY_ENV "AGE_IDENTITY_FILE"

enum cipher { CIPHER_AGE, CIPHER_GPG };
static const struct {
	const char *prefix, *program, *suffix;
} ciphers[] = {
	[CIPHER_AGE] = { "age:", "age", ".age" },
	[CIPHER_GPG] = { "gpg:", "gpg", ".gpg" },
};

static int
cipher_of(const char *spec, enum cipher *ret, struct err *err)
{
	for (enum cipher c = 0; c < ARRAY_SIZE(ciphers); c++)
		if (str_starts(spec, ciphers[c].prefix)) {
			*ret = c;
			return 0;
		}
	return err_set(err, -EINVAL,
	    "encrypt: %.100s: neither age:RECIPIENT nor gpg:KEY, the two that are known", spec);
}

/* A name in PATH, as execvp looks for it. */
static bool
is_in_path(const char *program)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *all = xstrdup(path && *path ? path : "/usr/bin:/bin");
	char *rest = all, *folder;

	while ((folder = strsep(&rest, ":"))) {
		_cleanup_free_ char *file = xasprintf("%s/%s", *folder ? folder : ".", program);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static int
find_program(enum cipher c, struct err *err)
{
	if (is_in_path(ciphers[c].program))
		return 0;
	return err_set(err, -ENOENT, "the program %s is not there. Install %s (Debian: %s)",
	    ciphers[c].program, ciphers[c].program, c == CIPHER_AGE ? "age" : "gnupg");
}

/* Nothing that either program could take for an option, a path or two words. */
static int
check_key(const char *spec, const char *key, struct err *err)
{
	bool ok = *key != '\0' && strlen(key) <= 1024 && isalnum((unsigned char)*key);

	for (const char *p = key; *p; p++)
		ok = ok && (isalnum((unsigned char)*p) || strchr("@._+-", *p));
	return ok ? 0
	          : err_set(err, -EINVAL, "encrypt: %.100s: no key: letters, digits and @._+- are",
	                spec);
}

static void
add_all(char ***argv, const char *const *words)
{
	for (; *words; words++)
		strv_add(argv, *words);
}

static int
encrypt_for(enum cipher c, const char *spec, char ***argv, struct err *err)
{
	static const char *const gpg[] = { "gpg", "--batch", "--no-tty", "--quiet", "--encrypt",
		"--trust-model", "always", "--compress-algo", "none", NULL };
	_cleanup_strv_ char **keys = strv_split_commas(strchr(spec, ':') + 1);

	if (strv_len(keys) == 0)
		return check_key(spec, "", err);
	if (c == CIPHER_AGE)
		strv_add(argv, "age");
	else
		add_all(argv, gpg);
	for (char **k = keys; *k; k++) {
		int r = check_key(spec, *k, err);

		if (r < 0)
			return r;
		strv_add(argv, "--recipient");
		strv_add(argv, *k);
	}
	return 0;
}

int
encrypt_command(const char *spec, char ***ret, struct err *err)
{
	_cleanup_strv_ char **argv = NULL;
	enum cipher c = CIPHER_AGE;
	int r = cipher_of(spec, &c, err);

	if (r == 0)
		r = encrypt_for(c, spec, &argv, err);
	if (r == 0)
		r = find_program(c, err);
	if (r == 0)
		*ret = TAKE_PTR(argv);
	return r;
}

static int
find_identity(const char **ret, struct err *err)
{
	const char *file = getenv(IDENTITY_ENV);

	if (!file || !*file)
		return err_set(err, -EKEYREJECTED,
		    "it is encrypted with age. Name the file with its identity: " IDENTITY_ENV
		    ", or --identity FILE of dbhealth backup");
	if (access(file, R_OK) < 0)
		return err_set(err, -EKEYREJECTED, "identity %.200s: %s", file, strerror(errno));
	*ret = file;
	return 0;
}

int
decrypt_command(const char *spec, char ***ret, struct err *err)
{
	static const char *const gpg[] = { "gpg", "--batch", "--no-tty", "--quiet", "--decrypt",
		NULL };
	_cleanup_strv_ char **argv = NULL;
	const char *identity = NULL;
	enum cipher c = CIPHER_AGE;
	int r = cipher_of(spec, &c, err);

	if (r == 0)
		r = find_program(c, err);
	if (r == 0 && c == CIPHER_AGE)
		r = find_identity(&identity, err);
	if (r < 0)
		return r;
	if (c == CIPHER_GPG) {
		add_all(&argv, gpg);
	} else {
		const char *const age[] = { "age", "--decrypt", "--identity", identity, NULL };

		add_all(&argv, age);
	}
	*ret = TAKE_PTR(argv);
	return 0;
}

const char *
encrypt_suffix(const char *spec)
{
	enum cipher c = CIPHER_AGE;

	return spec && cipher_of(spec, &c, NULL) == 0 ? ciphers[c].suffix : "";
}

/* Their words differ between versions: these parts stand in all of them since age 1.0 and gpg 2.0. */
int
decrypt_failed(const char *said, int r, struct err *err)
{
	static const char *const no_key[] = { "no identity matched", "No secret key",
		"Bad passphrase", "incorrect passphrase", "Inappropriate ioctl", "Timeout" };

	for (size_t i = 0; i < ARRAY_SIZE(no_key); i++) {
		const char *at = strstr(said, no_key[i]);

		if (!at)
			continue;
		while (at > said && at[-1] != '\n')
			at--;
		return err_set(err, -EKEYREJECTED, "it cannot be decrypted by this key: %.*s",
		    (int)MIN(strcspn(at, "\n"), 300U), at);
	}
	return r;
}
