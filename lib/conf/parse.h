#pragma once
#include "conf/option.h"
/* A value that was read, before it is put where it belongs. */
enum conf_storage {
	STORE_TEXT = 0, /* char * */
	STORE_FLAG,     /* bool */
	STORE_NUMBER,   /* int64_t */
	STORE_BITS,     /* unsigned */
	STORE_WORD,     /* int, an enum */
	STORE_LIST,     /* char ** */
	STORE_PAIRS,    /* struct conf_pair *, then size_t */
};
struct conf_value {
	char *text; /* always set once parsed */
	bool flag;
	int64_t number;
	unsigned bits;
	int word;
	char **list;
	struct conf_pair *pairs;
	size_t npairs;
};
/* text is not empty; v is zeroed before, and done after, whatever comes back. */
int conf_value_parse(
    const struct conf_option *, const char *text, struct conf_value *v, struct err *) _must_check_;
void conf_value_done(struct conf_value *);
enum conf_storage conf_type_storage(enum conf_type);
struct conf_pair *conf_pairs_free(struct conf_pair *, size_t n); /* returns NULL */
