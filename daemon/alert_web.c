/* HTTP to places that are told: what libcurl wants watched is watched by the loop. */
#include "daemon/alert_web.h"
#include "base/clock.h"
#include "base/str.h"
#include <curl/curl.h>
#include <dlfcn.h>

#define LIBRARY         "libcurl.so.4"
#define ANSWER_MAX      ((size_t)64 << 10)
#define CONNECTIONS_MAX 8L

/* The calls that are used, by name. */
/* clang-format off */
#define CALLS(X) \
	X(global_init) X(easy_init) X(easy_setopt) X(easy_getinfo) X(easy_cleanup) \
	X(easy_strerror) X(slist_append) X(slist_free_all) X(multi_init) X(multi_setopt) \
	X(multi_cleanup) X(multi_add_handle) X(multi_remove_handle) X(multi_socket_action) \
	X(multi_info_read) X(multi_assign)
/* clang-format on */
struct library {
#define X(name) __typeof__(curl_##name) *name;
	CALLS(X)
#undef X
};

struct web_socket {
	struct web *web; /* borrowed */
	struct event *event;
};

struct web {
	struct event_base *base; /* borrowed */
	void *handle;
	struct library curl;
	CURLM *multi;
	struct event *timer;
	TAILQ_HEAD(, web_call) calls;
};

struct web_call {
	TAILQ_ENTRY(web_call) link;
	struct web *web; /* borrowed */
	CURL *easy;
	struct curl_slist *headers;
	char *url, *text;
	char error[CURL_ERROR_SIZE];
	size_t answered;
	web_end_fn on_end;
	void *arg;
};

static void
call_free(struct web_call *c)
{
	const struct library *curl = &c->web->curl;

	TAILQ_REMOVE(&c->web->calls, c, link);
	curl->multi_remove_handle(c->web->multi, c->easy);
	curl->easy_cleanup(c->easy);
	curl->slist_free_all(c->headers);
	free(c->url);
	free(c->text);
	free(c);
}

/* What an answer says may hold what is secret: its number alone is told. */
static void
call_done(struct web_call *c, CURLcode result)
{
	_cleanup_free_ char *why = NULL;
	web_end_fn on_end = c->on_end;
	void *arg = c->arg;
	long code = 0;

	c->web->curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &code);
	if (result != CURLE_OK)
		why = xstrdup(*c->error ? c->error : c->web->curl.easy_strerror(result));
	else if (code < 200 || code > 299)
		why = xasprintf("HTTP status %ld", code);
	call_free(c);
	on_end(why, result == CURLE_OK && (code == 400 || code == 413 || code == 422), arg);
}

static void
look_what_is_done(struct web *w)
{
	CURLMsg *m;
	int left;

	while ((m = w->curl.multi_info_read(w->multi, &left))) {
		struct web_call *c;
		CURLcode result = m->data.result;
		CURL *easy = m->easy_handle;

		if (m->msg != CURLMSG_DONE)
			continue;
		TAILQ_FOREACH (c, &w->calls, link)
			if (c->easy == easy)
				break;
		if (c)
			call_done(c, result);
	}
}

/* ---- libcurl on the loop ---- */

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct web_socket *s = arg;
	struct web *w = s->web;
	int is = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	/* may free s */
	w->curl.multi_socket_action(w->multi, fd, is, &running);
	look_what_is_done(w);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct web *w = arg;
	int running;

	(void)fd;
	(void)what;
	w->curl.multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look_what_is_done(w);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *web, void *socket)
{
	struct web *w = web;
	struct web_socket *s = socket;
	short events = EV_PERSIST;

	(void)easy;
	if (s && s->event) {
		event_free(s->event);
		s->event = NULL;
	}
	if (what == CURL_POLL_REMOVE) {
		free(s);
		w->curl.multi_assign(w->multi, fd, NULL);
		return 0;
	}
	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->web = w;
		w->curl.multi_assign(w->multi, fd, s);
	}
	if (what != CURL_POLL_OUT)
		events |= EV_READ;
	if (what != CURL_POLL_IN)
		events |= EV_WRITE;
	s->event = event_new(w->base, fd, events, on_ready, s);
	assert(s->event);
	event_add(s->event, NULL);
	return 0;
}

static int
on_wants_timer(CURLM *multi, long ms, void *web)
{
	struct web *w = web;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)multi;
	if (ms < 0)
		event_del(w->timer);
	else
		event_add(w->timer, &tv);
	return 0;
}

static size_t
on_answer(char *data, size_t size, size_t n, void *call)
{
	struct web_call *c = call;

	(void)data;
	c->answered += size * n;
	return c->answered <= ANSWER_MAX ? size * n : 0;
}

/* ---- public ---- */

static int
load(struct web *w, struct err *e)
{
	w->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!w->handle)
		return err_set(e, -ENOSYS, "%s cannot be loaded; install libcurl4", LIBRARY);
#define X(name)                                                                                    \
	*(void **)&w->curl.name = dlsym(w->handle, "curl_" #name);                                 \
	if (!w->curl.name)                                                                         \
		return err_set(e, -ENOSYS, "%s has no curl_%s", LIBRARY, #name);
	CALLS(X)
#undef X
	if (w->curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, -ENOSYS, "%s cannot be begun", LIBRARY);
	return 0;
}

int
web_new(struct event_base *base, struct web **ret, struct err *e)
{
	struct web *w = xcalloc(1, sizeof(*w));
	int r;

	w->base = base;
	TAILQ_INIT(&w->calls);
	r = load(w, e);
	if (r < 0) {
		web_free(w);
		return r;
	}
	w->timer = evtimer_new(base, on_timer, w);
	w->multi = w->curl.multi_init();
	assert(w->timer && w->multi);
	w->curl.multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	w->curl.multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	w->curl.multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_wants_timer);
	w->curl.multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	w->curl.multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
	*ret = w;
	return 0;
}

/* The library stays: what it has begun (threads, exit handlers) may outlive us. */
struct web *
web_free(struct web *w)
{
	if (!w)
		return NULL;
	while (!TAILQ_EMPTY(&w->calls))
		call_free(TAILQ_FIRST(&w->calls));
	if (w->multi)
		w->curl.multi_cleanup(w->multi);
	if (w->timer)
		event_free(w->timer);
	free(w);
	return NULL;
}

static void
set_options(struct web_call *c, const struct web_request *q)
{
	const struct library *curl = &c->web->curl;
	const struct conf_alert *conf = q->conf;

	c->headers = curl->slist_append(NULL, "Content-Type: application/json");
	/* No wait for "100 Continue". */
	c->headers = curl->slist_append(c->headers, "Expect:");
	if (conf->header)
		c->headers = curl->slist_append(c->headers, conf->header);
	curl->easy_setopt(c->easy, CURLOPT_URL, c->url);
	curl->easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	curl->easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->text);
	curl->easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(c->text));
	curl->easy_setopt(c->easy, CURLOPT_USERAGENT, "dbhealthd/" DBHEALTHD_VERSION);
	curl->easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(conf->timeout_us / USEC_PER_MSEC));
	curl->easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	/* A token goes nowhere but where it was meant for. */
	curl->easy_setopt(c->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl->easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl->easy_setopt(c->easy, CURLOPT_PROXY, "");
	curl->easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl->easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl->easy_setopt(c->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (conf->ca_file)
		curl->easy_setopt(c->easy, CURLOPT_CAINFO, conf->ca_file);
	curl->easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
	curl->easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl->easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
}

int
web_post(struct web *w, const struct web_request *q, web_end_fn on_end, void *arg,
    struct web_call **ret, struct err *e)
{
	struct web_call *c = xcalloc(1, sizeof(*c));
	size_t len = strlen(q->conf->url);

	while (*q->path && len > 0 && q->conf->url[len - 1] == '/')
		len--;
	c->web = w;
	c->on_end = on_end;
	c->arg = arg;
	c->url = xasprintf("%.*s%s", (int)len, q->conf->url, q->path);
	c->text = q->take_text;
	c->easy = w->curl.easy_init();
	assert(c->easy);
	TAILQ_INSERT_TAIL(&w->calls, c, link);
	set_options(c, q);
	if (w->curl.multi_add_handle(w->multi, c->easy) != CURLM_OK) {
		call_free(c);
		return err_set(e, -EIO, "the request cannot be made");
	}
	*ret = c;
	return 0;
}

void
web_cancel(struct web_call *c)
{
	call_free(c);
}
