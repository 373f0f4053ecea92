#pragma once
#include <stddef.h>
/* The built-in check files, generated at build by embed.awk, sorted by path. */
struct embedded_check {
	const char *path, *text;
};
extern const struct embedded_check embedded_checks[];
extern const size_t embedded_checks_n;
