#pragma once
#include "data/data.h"
#include <jansson.h>
/*
 * What a schema consists of, for people: docs/schema/database-schema.json.  Of the user's own objects; a
 * partition belongs to its root.
 */
int data_schema(struct data_source *, json_t **ret, struct err *) _must_check_;
