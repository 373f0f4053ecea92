/* [silence NAME]: times by calendar in which findings are kept quiet. */
#include "conf/loader.h"
#include "conf/option.h"

void
loader_read_silence(struct loader *l, const struct merged_section *s)
{
	struct conf *c = l->conf;
	struct conf_silence *w;

	c->silences = xreallocarray(c->silences, c->nsilences + 1, sizeof(*c->silences));
	w = &c->silences[c->nsilences++];
	*w = (struct conf_silence){ .name = xstrdup(s->name),
		.origin = { xstrdup(s->origin.file), s->origin.line } };
	loader_read_fields(l, s, w);
}

static bool
silence_equal(const struct conf_silence *a, const struct conf_silence *b)
{
	return streq(a->name, b->name) && option_fields_equal(KIND_SILENCE, a, b);
}

bool
conf_silences_equal(const struct conf *a, const struct conf *b)
{
	if (a->nsilences != b->nsilences)
		return false;
	for (size_t i = 0; i < a->nsilences; i++)
		if (!silence_equal(&a->silences[i], &b->silences[i]))
			return false;
	return true;
}

void
conf_silences_free(struct conf *c)
{
	for (size_t i = 0; i < c->nsilences; i++) {
		option_free_fields(KIND_SILENCE, &c->silences[i]);
		free(c->silences[i].origin.file);
		free(c->silences[i].name);
	}
	free(c->silences);
}
