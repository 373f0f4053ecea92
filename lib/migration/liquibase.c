/*
 * Liquibase: change sets in SQL, XML, YAML and JSON, each by id, author and file.  All change logs of the folder
 * are read, so what includes what does not matter; its checksums are of its own parse and are not taken.
 */
#include "base/str.h"
#include "base/text.h"
#include "migration/tool.h"
#include <ctype.h>
#include <expat.h>
#include <stdlib.h>
#include <yaml.h>

void
liquibase_add(json_t *known, const char *path, const char *logical, const char *id,
    const char *author, bool optional)
{
	const char *file = logical && *logical ? logical : path, *slash = strrchr(file, '/');
	_cleanup_free_ char *v =
	    xasprintf("%s::%s::%s", id ? id : "", author ? author : "", slash ? slash + 1 : file);
	json_t *o = migration_add(known, v, path);

	if (optional)
		json_object_set_new(o, "opt", json_true());
}

static bool
is_liquibase(const struct migration_file *f, const char *text)
{
	if (str_ends(f->name, ".sql"))
		return !text || (strncmp(text, "--", 2) == 0 &&
		                    strcasestr(text, "liquibase formatted sql") != NULL);
	if (str_ends(f->name, ".xml") || str_ends(f->name, ".yaml") || str_ends(f->name, ".yml") ||
	    str_ends(f->name, ".json"))
		return !text || strstr(text, "databaseChangeLog");
	return false;
}

/* ---- SQL ---- */

/* The word at *p, with or without quotes, up to one of ends or a blank; owned. */
static char *
take_word(const char **p, const char *ends)
{
	const char *start = *p, *q;

	if (*start == '"') {
		q = strchr(start + 1, '"');
		if (q && q < start + strcspn(start, "\n")) {
			*p = q + 1;
			return xstrndup(start + 1, (size_t)(q - start) - 1);
		}
	}
	for (q = start; *q && *q != '\n' && !strchr(ends, *q);)
		q++;
	*p = q;
	return xstrndup(start, (size_t)(q - start));
}

/* What may make Liquibase pass a set over. */
static bool
is_conditional(const char *attributes, size_t len)
{
	_cleanup_free_ char *line = xstrndup(attributes, len);

	return strcasestr(line, "context:") || strcasestr(line, "contextFilter:") ||
	       strcasestr(line, "labels:") || strcasestr(line, "dbms:");
}

static const char *
behind_dashes(const char *line)
{
	if (strncmp(line, "--", 2) != 0)
		return NULL;
	line += 2;
	return line + strspn(line, " \t");
}

int
liquibase_read_sql(json_t *known, const char *path, const char *text, struct err *e)
{
	_cleanup_free_ char *logical = NULL;

	(void)e;
	for (const char *p = text; *p;) {
		const char *line = behind_dashes(p), *end = p + strcspn(p, "\n"), *at;

		p = *end ? end + 1 : end;
		if (line && strncasecmp(line, "liquibase formatted sql", 23) == 0 &&
		    (at = strcasestr(line, "logicalFilePath:")) && at < end) {
			at += 16;
			free(logical);
			logical = take_word(&at, " \t\r");
		}
		if (line && strncasecmp(line, "changeset ", 10) == 0) {
			_cleanup_free_ char *author = NULL, *id = NULL;
			const char *next = behind_dashes(p);

			line += 10 + strspn(line + 10, " \t");
			author = take_word(&line, ":");
			line += *line == ':';
			id = take_word(&line, " \t\r");
			liquibase_add(known, path, logical, id, author,
			    is_conditional(line, (size_t)(end - line)) ||
			        (next && strncasecmp(next, "preconditions", 13) == 0));
		}
	}
	return 0;
}

/* ---- XML ---- */

struct set {
	json_t *known;
	const char *path;
	char *logical, *id, *author, *own;
	bool inside, optional;
	XML_Parser parser;
};

static const char *
local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void
set_reset(struct set *s)
{
	free(TAKE_PTR(s->id));
	free(TAKE_PTR(s->author));
	free(TAKE_PTR(s->own));
	s->inside = s->optional = false;
}

static void
put(char **field, const char *value)
{
	free(*field);
	*field = text_from_peer(value, strlen(value), 512);
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct set *s = arg;

	name = local_name(name);
	if (streq(name, "changeSet"))
		s->inside = true;
	else if (s->inside && streq(name, "preConditions"))
		s->optional = true;
	for (size_t i = 0; attributes[i]; i += 2) {
		const char *key = local_name(attributes[i]), *value = attributes[i + 1];

		if (streq(key, "logicalFilePath") && streq(name, "databaseChangeLog"))
			put(&s->logical, value);
		if (!streq(name, "changeSet"))
			continue;
		if (streq(key, "id"))
			put(&s->id, value);
		else if (streq(key, "author"))
			put(&s->author, value);
		else if (streq(key, "logicalFilePath"))
			put(&s->own, value);
		else if (streq(key, "context") || streq(key, "contextFilter") ||
		         streq(key, "labels") || streq(key, "dbms") ||
		         (streq(key, "ignore") && streq(value, "true")))
			s->optional |= *value != '\0';
	}
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct set *s = arg;

	if (!streq(local_name(name), "changeSet"))
		return;
	liquibase_add(
	    s->known, s->path, s->own ? s->own : s->logical, s->id, s->author, s->optional);
	set_reset(s);
}

/* No change log declares entities; who does wants something else of us. */
static void
on_entity(void *arg, const XML_Char *name, int is_parameter, const XML_Char *value, int len,
    const XML_Char *base, const XML_Char *system, const XML_Char *public, const XML_Char *notation)
{
	struct set *s = arg;

	(void)name, (void)is_parameter, (void)value, (void)len, (void)base, (void)system;
	(void)public, (void)notation;
	XML_StopParser(s->parser, XML_FALSE);
}

int
liquibase_read_xml(json_t *known, const char *path, const char *text, size_t len, struct err *e)
{
	struct set s = { .known = known, .path = path, .parser = XML_ParserCreate(NULL) };
	int r = 0;

	if (!s.parser)
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	XML_SetUserData(s.parser, &s);
	XML_SetElementHandler(s.parser, on_start, on_end);
	XML_SetEntityDeclHandler(s.parser, on_entity);
	if (XML_Parse(s.parser, text, (int)len, XML_TRUE) != XML_STATUS_OK)
		r = err_set(e, -EINVAL, "%s: line %lu: %s", path,
		    (unsigned long)XML_GetCurrentLineNumber(s.parser),
		    XML_ErrorString(XML_GetErrorCode(s.parser)));
	XML_ParserFree(s.parser);
	set_reset(&s);
	free(s.logical);
	return r;
}

/* ---- JSON, and YAML made into it ---- */

#define YAML_MAX_NODES 200000

static const char *
text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void
add_set(json_t *known, const char *path, const char *logical, const json_t *set)
{
	static const char *const conditions[] = { "context", "contextFilter", "labels", "dbms",
		"preConditions" };
	const char *own = text_of(set, "logicalFilePath");
	_cleanup_free_ char *id = NULL;
	json_t *number = json_object_get(set, "id");
	bool optional = json_is_true(json_object_get(set, "ignore"));

	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		optional |= json_object_get(set, conditions[i]) != NULL;
	id = json_is_integer(number) ? xasprintf("%lld", (long long)json_integer_value(number))
	                             : xstrdup(json_string_value(number));
	liquibase_add(known, path, own ? own : logical, id, text_of(set, "author"), optional);
}

static void
add_log(json_t *known, const char *path, const json_t *root)
{
	json_t *list = json_object_get(root, "databaseChangeLog"), *item;
	const char *logical = NULL;
	size_t i;

	json_array_foreach (list, i, item) {
		json_t *set = json_object_get(item, "changeSet");
		const char *l = text_of(item, "logicalFilePath");

		logical = l ? l : logical;
		if (json_is_object(set))
			add_set(known, path, logical, set);
	}
}

int
liquibase_read_json(json_t *known, const char *path, const char *text, size_t len, struct err *e)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, 0, &why);

	if (!root)
		return err_set(e, -EINVAL, "%s: line %d: %s", path, why.line, why.text);
	add_log(known, path, root);
	json_decref(root);
	return 0;
}

/* The node as JSON, scalars as texts; aliases may make a small file huge, so nodes are counted. */
static json_t *
yaml_json(yaml_document_t *doc, int index, int depth, size_t *left)
{
	yaml_node_t *node = yaml_document_get_node(doc, index);
	json_t *o = NULL;

	if (!node || depth > 64 || *left == 0)
		return json_null();
	--*left;
	if (node->type == YAML_SCALAR_NODE) {
		o = json_stringn((const char *)node->data.scalar.value, node->data.scalar.length);
	} else if (node->type == YAML_SEQUENCE_NODE) {
		o = json_array();
		for (yaml_node_item_t *i = node->data.sequence.items.start;
		     i < node->data.sequence.items.top; i++)
			json_array_append_new(o, yaml_json(doc, *i, depth + 1, left));
	} else if (node->type == YAML_MAPPING_NODE) {
		o = json_object();
		for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
		     p < node->data.mapping.pairs.top; p++) {
			yaml_node_t *key = yaml_document_get_node(doc, p->key);

			if (key && key->type == YAML_SCALAR_NODE)
				json_object_set_new(o, (const char *)key->data.scalar.value,
				    yaml_json(doc, p->value, depth + 1, left));
		}
	}
	return o ? o : json_null();
}

int
liquibase_read_yaml(json_t *known, const char *path, const char *text, size_t len, struct err *e)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	yaml_node_t *root;
	size_t left = YAML_MAX_NODES;
	json_t *o;

	if (!yaml_parser_initialize(&parser))
		return err_set(e, -ENOMEM, "%s: out of memory", path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &doc)) {
		err_set(e, -EINVAL, "%s: line %zu: %s", path, parser.problem_mark.line + 1,
		    parser.problem ? parser.problem : "cannot be read");
		yaml_parser_delete(&parser);
		return -EINVAL;
	}
	root = yaml_document_get_root_node(&doc);
	o = root ? yaml_json(&doc, 1, 0, &left) : json_null();
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	if (left > 0)
		add_log(known, path, o);
	json_decref(o);
	return left > 0 ? 0 : err_set(e, -E2BIG, "%s: too large", path);
}

static int
read_one(
    struct migration_folder *f, const struct migration_file *file, json_t *known, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = migration_file_read(f, file, &text, &len, e);

	if (r < 0 || !is_liquibase(file, text))
		return MIN(r, 0);
	if (str_ends(file->name, ".sql"))
		return liquibase_read_sql(known, file->path, text, e);
	if (str_ends(file->name, ".xml"))
		return liquibase_read_xml(known, file->path, text, len, e);
	if (str_ends(file->name, ".json"))
		return liquibase_read_json(known, file->path, text, len, e);
	return liquibase_read_yaml(known, file->path, text, len, e);
}

static int
read_liquibase(struct migration_folder *f, json_t *known, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < f->n; i++)
		if (is_liquibase(&f->v[i], NULL))
			r = read_one(f, &f->v[i], known, e);
	return r;
}

const struct migration_tool migration_liquibase = { "liquibase", NULL, is_liquibase, true,
	read_liquibase };
