#pragma once
#include "conf/conf.h"
#include "fuzz.h"
/*
 * Two databases, without a file: libini_config 1.3 crashes by itself where memory is refused, and
 * these harnesses are also run so.
 */
struct conf *engine_conf(void) _must_check_;
