/* For harnesses in which the built-in checks, all of which would be read for each input, are too many. */
#include "base/base.h"
#include "check/embedded.h"

const struct embedded_check embedded_checks[] = {
	{ "conn-slots",
	    "-- id: conn-slots\n-- title: Slots\n-- engine: postgresql\n"
	    "-- probe: performance\n-- kind: gauge\n-- unit: ratio\n-- warning: >= 0.8\n"
	    "-- param.free: 3\n\nSELECT 1 AS value WHERE :free::bigint > 1" },
	{ "query-long", "-- id: query-long\n-- title: Long\n-- engine: postgresql\n"
	                "-- probe: performance\n-- kind: rate\n-- warning: > 1\n-- window: 1h\n"
	                "-- message: {object} {value}\n\nSELECT 1 AS value, 1 AS object" },
	{ "disk-space-low", "-- id: disk-space-low\n-- title: Disk\n-- engine: sqlite\n"
	                    "-- probe: performance\n-- kind: gauge\n-- unit: ratio\n"
	                    "-- warning: < 0.1\n\nSELECT 1 AS value" },
	{ "fk-orphan-rows", "-- id: fk-orphan-rows\n-- title: Orphans\n-- engine: sqlite\n"
	                    "-- probe: integrity\n-- kind: scrub\n-- cost: scrub\n"
	                    "-- severity: critical\n\n-- @items\nSELECT 'a' AS key\n\n"
	                    "-- @when server >= 3\nSELECT 'x' AS object WHERE :item > ''" },
};
const size_t embedded_checks_n = ARRAY_SIZE(embedded_checks);
