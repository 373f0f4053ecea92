#pragma once
#include "base/str.h"
#include "daemon/outlet.h"
#include <jansson.h>
/* What the outlets' files share. */
struct outlet_type {
	const char *name; /* of the cursor in the store */
	const char *said; /* in a sentence */
	uint32_t job;
	void (*render)(struct str *, const json_t *, bool under_journald);
};
extern const struct outlet_type outlet_types[OUTLET_FORMAT_N];
bool outlet_is_journald(void); /* standard error is journald's stream */
