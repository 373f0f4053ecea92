"""Why a target is missed, where it is: what profiling showed, and what would help."""
WHY = {
    "client-raw":
        "two fifths of the daemon's CPU are the kernel's, for the same wake-ups, sends and reads as the raw "
        "loop's; the rest is spread over binding, single-row results (a result of its own for each row, so that "
        "no answer can fill the memory), evaluation and findings, none of it above 4 %. What is left: results in "
        "chunks of rows and a Sync that does not flush, both of libpq 17.",
    "client-sqlexp":
        "the raw loop itself needs about a tenth of what sql_exporter takes here: the rest is what the line above says.",
    "jitter-p99": "measured on a busy machine, but the raw loop ran on the same one: not explained yet.",
    "sqlite-cpu":
        "the worker checks the deadline and other programs' locks while SQLite walks the file; the daemon's own "
        "run of the probe is in the figure too.",
    "sqlite-wall": "as above; the shell starts no other check.",
    "sqlite-cold": "the disk's own speed: the file is read sequentially once before it is checked.",
    "http-rate": "with requests a CPU second above the floor, what remains is who waits for a core.",
}
