# One check file with the parts that it names put in: awk -f expand.awk PARTS FILE.  A part begins with
# a line "-- @part NAME" or "-- @part NAME(A, B)" and ends before the next; a line of SQL takes it in by
# @NAME or @NAME(x, y), where {A} becomes x.  Comment lines stay as they are.  What only the bodies of
# FILE share are parts of its own, each up to a line "-- @end"; they are not printed.
BEGIN {
	read_parts(ARGV[1])
	path = ARGV[2]
	while ((got = (getline line < path)) > 0) {
		at = path ":" ++n
		if (line ~ /^-- @part /)
			own[name = begin_part(line)] = at
		else if (name == "")
			print line ~ /^[ \t]*--/ ? line : expand(line, 0)
		else if (line == "-- @end")
			name = ""
		else
			add_line(name, line)
	}
	if (got < 0)
		fail("cannot read " path)
	if (name != "")
		fail(own[name] ": @" name " has no @end")
	for (name in own)
		if (!(name in used))
			fail(own[name] ": nothing takes in @" name)
	exit failed
}

function read_parts(path,   got, name) {
	while ((got = (getline line < path)) > 0) {
		at = path
		if (line ~ /^-- @part /)
			name = begin_part(line)
		else if (name != "")
			add_line(name, line)
	}
	if (got < 0)
		fail("cannot read " path)
	for (name in text)
		sub(/\n+$/, "", text[name])
}

function begin_part(line,   name, args) {
	name = line
	sub(/^-- @part /, "", name)
	args = name ~ /\(/ ? name : ""
	sub(/\(.*/, "", name)
	sub(/^[^(]*\(/, "", args)
	sub(/\)$/, "", args)
	if (name in text)
		fail(at ": @" name " is there twice")
	text[name] = ""
	takes[name] = args
	return name
}

function add_line(name, line) {
	text[name] = text[name] (text[name] == "" ? "" : "\n") line
}

function expand(s, depth,   out, name, body, want, given, wanted, have, i) {
	if (depth > 8) {
		fail(at ": parts go in circles")
		return s
	}
	out = ""
	while (match(s, /@[a-z_]+/)) {
		name = substr(s, RSTART + 1, RLENGTH - 1)
		out = out substr(s, 1, RSTART - 1)
		s = substr(s, RSTART + RLENGTH)
		if (!(name in text)) {
			fail(at ": there is no part @" name)
			continue
		}
		used[name] = 1
		body = text[name]
		if (takes[name] != "") {
			s = arguments(s, given)
			want = split(takes[name], wanted, /, */)
			have = given["n"]
			if (want != have)
				fail(at ": @" name " takes " want ", not " have)
			for (i = 1; i <= want && i <= have; i++)
				body = replace(body, "{" wanted[i] "}", expand(given[i], depth + 1))
		}
		out = out expand(body, depth + 1)
	}
	return out s
}

# What stands in the parentheses at the beginning of s, split at its own commas; the rest of s.
function arguments(s, given,   i, c, level, arg, quoted) {
	given["n"] = 0
	if (substr(s, 1, 1) != "(")
		return s
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "'")
			quoted = !quoted
		if (!quoted && (c == ")" || (c == "," && level == 1))) {
			if (c == "," || level == 1) {
				given[++given["n"]] = arg
				arg = ""
			}
			if (c == ")" && --level == 0)
				break
			if (c == ",") {
				while (substr(s, i + 1, 1) == " ")
					i++
				continue
			}
		}
		if (!quoted && c == "(" && ++level == 1)
			continue
		if (!quoted && (c == "[" || c == "]"))
			level += c == "[" ? 1 : -1
		arg = arg c
	}
	return substr(s, i + 1)
}

function replace(s, what, by,   out, i) {
	while ((i = index(s, what)) > 0) {
		out = out substr(s, 1, i - 1) by
		s = substr(s, i + length(what))
	}
	return out s
}

function fail(what) {
	print "expand.awk: " what > "/dev/stderr"
	failed = 1
}
