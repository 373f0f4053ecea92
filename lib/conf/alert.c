/* [alert NAME]: a program or an URL, never both, and the program one that nobody else can change. */
#include "conf/alert.h"
#include "base/str.h"
#include "conf/option.h"
#include <sys/stat.h>

#define ARGV_MAX 64

int
command_split(const char *text, char ***ret, struct err *e)
{
	_cleanup_strv_ char **argv = NULL;
	const char *p = text;

	for (;;) {
		_cleanup_str_ struct str word = { 0 };
		char quote = 0;

		p += strspn(p, " \t\n");
		if (!*p)
			break;
		for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
			if (quote && *p == quote)
				quote = 0;
			else if (!quote && (*p == '\'' || *p == '"'))
				quote = *p;
			else
				str_addc(&word, *p);
		}
		if (quote)
			return err_set(e, -EINVAL, "a quote has no end");
		strv_add(&argv, str_text(&word));
		if (strv_len(argv) > ARGV_MAX)
			return err_set(e, -EINVAL, "more than %d words", ARGV_MAX);
	}
	if (!argv)
		return err_set(e, -EINVAL, "names no program");
	if (*argv[0] != '/')
		return err_set(e, -EINVAL, "the program must be named by its absolute path");
	*ret = TAKE_PTR(argv);
	return 0;
}

int
program_check(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: no regular file", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(e, -EPERM, "%s: owned by neither root nor us", path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, -EPERM, "%s: others may write to it; chmod go-w %s", path, path);
	if (access(path, X_OK) < 0)
		return err_set(e, -errno, "%s: cannot be run: %s", path, strerror(errno));
	return 0;
}

static void
judge_program(
    struct conf_alert *a, const char *header, struct snapshot *outside, struct err_list *errors)
{
	const struct snapshot_item *got;
	struct err e = { 0 };

	if (command_split(a->exec, &a->argv, &e) < 0) {
		err_list_add(
		    errors, "%s:%d: [%s] exec: %s", a->origin.file, a->origin.line, header, e.msg);
		return;
	}
	got = snapshot_get(outside, "program", a->argv[0]);
	if (!got) {
		int r = program_check(a->argv[0], &e);

		got = snapshot_put(outside, "program", a->argv[0], r, NULL, 0, e.msg);
	}
	if (got->code < 0)
		err_list_add(errors, "%s:%d: [%s] exec: %s", a->origin.file, a->origin.line, header,
		    got->why);
}

void
alert_judge(
    struct conf_alert *a, const char *header, struct snapshot *outside, struct err_list *errors)
{
	const char *fault = NULL;

	if (a->exec && a->url)
		fault = "exec and url: one of them";
	else if (!a->exec && !a->url)
		fault = "neither exec nor url is set";
	else if (a->exec && (a->header || a->ca_file || a->format != ALERT_JSON))
		fault = "header, ca_file and format are of url";
	else if (a->url && !str_starts(a->url, "http://") && !str_starts(a->url, "https://"))
		fault = "url: http:// or https:// is understood";
	else if (a->header && (!strchr(a->header, ':') || strpbrk(a->header, "\r\n")))
		fault = "header: one line, NAME: VALUE";
	if (fault)
		err_list_add(
		    errors, "%s:%d: [%s] %s", a->origin.file, a->origin.line, header, fault);
	else if (a->exec)
		judge_program(a, header, outside, errors);
}

void
alert_done(struct conf_alert *a)
{
	option_free_fields(KIND_ALERT, a);
	strv_free(a->argv);
	free(a->name);
	free(a->origin.file);
}

bool
conf_alert_equal(const struct conf_alert *a, const struct conf_alert *b)
{
	return streq(a->name, b->name) && option_fields_equal(KIND_ALERT, a, b);
}

bool
conf_alerts_equal(const struct conf *a, const struct conf *b)
{
	if (a->nalerts != b->nalerts)
		return false;
	for (size_t i = 0; i < a->nalerts; i++)
		if (!conf_alert_equal(&a->alerts[i], &b->alerts[i]))
			return false;
	return true;
}

struct conf_alert *
conf_alert_copy(const struct conf_alert *from)
{
	struct conf_alert *a = xcalloc(1, sizeof(*a));

	option_copy_fields(KIND_ALERT, a, from);
	a->name = xstrdup(from->name);
	a->origin = (struct conf_origin){ xstrdup(from->origin.file), from->origin.line };
	a->argv = strv_dup(from->argv);
	return a;
}

struct conf_alert *
conf_alert_free(struct conf_alert *a)
{
	if (a)
		alert_done(a);
	free(a);
	return NULL;
}
