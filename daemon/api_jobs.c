/* Scheduled jobs through the API: listed, and begun before their time. */
#include "daemon/api_private.h"
#include "daemon/jobs.h"

void
api_set_jobs(struct api *api, struct jobs *jobs)
{
	api->jobs = jobs;
}

void
api_get_jobs(struct api *api, struct http_request *r, const struct api_request *q)
{
	(void)q;
	api_reply(
	    r, 200, NULL, api->jobs ? jobs_json(api->jobs, NULL) : json_pack("{s:[]}", "jobs"));
}

static void
reply_no_job(struct http_request *r, const char *name)
{
	http_reply_error(r, 404, NULL, "no job of the name %.200s", name);
}

void
api_get_job(struct api *api, struct http_request *r, const struct api_request *q)
{
	json_t *o = api->jobs ? jobs_json(api->jobs, q->segments[2]) : NULL;

	if (o)
		api_reply(r, 200, NULL, o);
	else
		reply_no_job(r, q->segments[2]);
}

void
api_post_job_run(struct api *api, struct http_request *r, const struct api_request *q)
{
	const char *name = q->segments[2];
	int e = api->jobs ? jobs_run_now(api->jobs, name) : -ENOENT;

	if (e == -ENOENT) {
		reply_no_job(r, name);
		return;
	}
	/* One that is on its way is what was asked for. */
	api_reply(r, 202, NULL, json_pack("{s:s, s:b}", "job", name, "began", e == 0));
}
