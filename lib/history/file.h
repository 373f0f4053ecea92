#pragma once
#include "base/err.h"
/* Files of the history: whole writes and reads, and new ones that are there whole or not at all. */
int file_write(int fd, const void *, size_t) _must_check_;
/* -ENODATA: it is shorter. */
int file_read_at(int fd, void *, size_t, uint64_t offset) _must_check_;
/* All of it; -EFBIG over max. */
int file_read_all(int fd, size_t max, char **ret, size_t *ret_len) _must_check_;
/* The ten digits of a file's name; moves behind them. */
bool file_digits(const char **at, uint64_t *ret);
/* What is written so far, on the disk and under its name. */
int file_publish(int dirfd, int fd, const char *tmp, const char *name, struct err *) _must_check_;
