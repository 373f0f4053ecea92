# Check files to one sorted C table: awk -f embed.awk [-v table=NAME] FILE... (sorted by the caller).  All is done in
# BEGIN, so that no file at all is not standard input.
BEGIN {
	for (i = 1; i < 32; i++)
		special[sprintf("%c", i)] = sprintf("\\%03o", i)
	special["\t"] = "\\t"
	special["\""] = "\\\""
	special["\\"] = "\\\\"
	special["?"] = "\\?"
	special["\177"] = "\\177"
	print "#include \"check/embedded.h\""
	table = table ? table : "embedded_checks"
	print "extern const struct embedded_check " table "[];"
	print "extern const size_t " table "_n;"
	print "const struct embedded_check " table "[] = {"
	for (f = 1; f < ARGC; f++)
		embed(ARGV[f])
	print "\t{ 0, 0 }"
	print "};"
	print "const size_t " table "_n = sizeof(" table ") / sizeof(" table "[0]) - 1;"
	exit failed
}

function embed(path,   line, got) {
	printf "\t{ \"%s\",\n", escape(path)
	while ((got = (getline line < path)) > 0)
		printf "\t  \"%s\\n\"\n", escape(line)
	if (got < 0) {
		print "embed.awk: cannot read " path > "/dev/stderr"
		failed = 1
	}
	close(path)
	print "\t  \"\" },"
}

function escape(s,   out, i, c) {
	if (s !~ /["\\?\001-\037\177]/)
		return s
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		out = out (c in special ? special[c] : c)
	}
	return out
}
