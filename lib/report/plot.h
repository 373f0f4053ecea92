#pragma once
#include "base/unit.h"
/* A line over time in the cells of a terminal: averages joined, the range of each upright. */
struct plot_point {
	int64_t at_s;
	double value, min, max; /* finite */
};
struct plot_options {
	size_t columns, rows; /* of everything; of the field itself */
	bool unicode;         /* braille; else ASCII */
	bool colour;
	enum unit unit;
	int64_t from_s, to_s, step_s; /* points further apart than 2.5 steps are not joined */
};
/* Lines of text, owned; points by time, at least one. */
char *plot_draw(const struct plot_point *, size_t n, const struct plot_options *) _must_check_;
