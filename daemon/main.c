/*
 * dbhealthd: options and exit codes.  What runs is in daemon.c.
 */
#include "base/log.h"
#include "daemon/daemon.h"
#include "monitor/monitor.h"
#include "worker/worker.h"
#include <event2/event.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

enum { OPT_CHECK = 256, OPT_FOREGROUND, OPT_LOG, OPT_LOG_LEVEL, OPT_HELP_CONFIG, OPT_VERSION };

static const struct option long_options[] = {
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "help-config", no_argument, NULL, OPT_HELP_CONFIG },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void
usage(FILE *f)
{
	fputs("usage: dbhealthd [-c FILE] [--check-config] [--foreground]\n"
	      "                 [--log=journal|text|json] [--log-level=LEVEL]\n"
	      "                 [--help-config] [--version] [--help]\n"
	      "\n"
	      "Watches the databases of this host and serves what it finds on a Unix socket.\n"
	      "\n"
	      "  -c FILE          read FILE and FILE.d/*.conf (" CONF_DEFAULT_FILE ")\n"
	      "                     dbhealthd -c ./my.conf --foreground\n"
	      "  --check-config   say every fault of the configuration, then exit\n"
	      "                     dbhealthd --check-config && systemctl reload dbhealthd\n"
	      "  --foreground     stay with this terminal (it never leaves it: for scripts)\n"
	      "                     dbhealthd --foreground --log=text\n"
	      "  --log=FORM       journal, text (stderr) or json (stderr, one object a line)\n"
	      "                     dbhealthd --log=json 2>findings.log\n"
	      "  --log-level=L    error, warning, info or debug: the daemon's own messages\n"
	      "                     dbhealthd --foreground --log-level=debug\n"
	      "  --help-config    every section and key, its type, default and an example\n"
	      "                     dbhealthd --help-config | less\n"
	      "  --version        the version\n"
	      "\n"
	      "Exit: 0 stopped as asked, 64 wrong usage, 78 bad configuration, 1 otherwise.\n"
	      "See dbhealthd(8), dbhealthd.conf(5), dbhealth(1).\n",
	    f);
}

static int
bad_configuration(struct err_list *errors)
{
	for (size_t i = 0; errors->v && errors->v[i]; i++)
		daemon_complain(errors->v[i]);
	err_list_done(errors);
	return EX_CONFIG;
}

/*
 * What systemd gives to the daemon alone cannot be judged here; all else was.  The daemon judges it
 * itself, and keeps what it has when it is wrong.
 */
static int
good_but_unseen(struct conf *take, struct err_list *errors, const char *file)
{
	for (size_t i = 0; errors->unseen[i]; i++)
		daemon_complain(errors->unseen[i]);
	printf("%s: good, but for the credentials above, which only the service sees\n", file);
	err_list_done(errors);
	conf_free(take);
	return EX_OK;
}

static int
check_config(struct conf *take, const char *file)
{
	struct err_list errors = { 0 };
	size_t n = take->ndatabases;

	for (size_t i = 0; take->not_in_effect && take->not_in_effect[i]; i++)
		daemon_complain(take->not_in_effect[i]);
	if (daemon_check(take, &errors) < 0)
		return bad_configuration(&errors);
	err_list_done(&errors);
	if (n > 0)
		printf("%s: good, %zu %s\n", file, n, n == 1 ? "database" : "databases");
	else
		printf("%s: good, no [database]: watches every PostgreSQL whose socket is found\n",
		    file);
	return EX_OK;
}

/* -1: go on; else the exit code. */
static int
take_option(int c, struct daemon_options *o, const char **config, bool *check)
{
	switch (c) {
	case 'c':
		*config = optarg;
		return -1;
	case OPT_CHECK:
		*check = true;
		return -1;
	case OPT_FOREGROUND:
		return -1;
	case OPT_LOG:
		if (outlet_format_parse(optarg, &o->log) >= 0)
			return -1;
		fprintf(stderr, "dbhealthd: --log=%s: expected journal, text or json\n", optarg);
		return EX_USAGE;
	case OPT_LOG_LEVEL:
		if (log_level_parse(optarg, &o->log_level) >= 0)
			return -1;
		fprintf(stderr,
		    "dbhealthd: --log-level=%s: expected error, warning, info or debug\n", optarg);
		return EX_USAGE;
	case OPT_HELP_CONFIG: {
		_cleanup_free_ char *help = conf_help();

		fputs(help, stdout);
		return EX_OK;
	}
	case OPT_VERSION:
		puts("dbhealthd " DBHEALTHD_VERSION);
		return EX_OK;
	case 'h':
		usage(stdout);
		return EX_OK;
	default:
		usage(stderr);
		return EX_USAGE;
	}
}

int
main(int argc, char **argv)
{
	struct daemon_options o = { .log = outlet_format_default(), .log_level = LOG_LEVEL_INFO };
	const char *config = NULL;
	struct err_list errors = { 0 };
	struct conf *conf = NULL;
	bool check = false;
	int c;

	json_set_alloc_funcs(xmalloc, free);
	event_set_mem_functions(xmalloc, xrealloc, free);
	worker_main_if_asked(argc, argv);
	while ((c = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		int code = take_option(c, &o, &config, &check);

		if (code >= 0)
			return code;
	}
	if (optind < argc) {
		fprintf(stderr, "dbhealthd: %s: unexpected argument; see dbhealthd --help\n",
		    argv[optind]);
		return EX_USAGE;
	}
	errors.spare_unseen = check;
	if (conf_load_broken(config, &conf, &errors) < 0 || errors.unseen) {
		monitor_find_faults(conf, NULL, &errors);
		if (!errors.v)
			return good_but_unseen(conf, &errors, config ? config : CONF_DEFAULT_FILE);
		conf_free(conf);
		return bad_configuration(&errors);
	}
	err_list_done(&errors);
	o.config = config;
	if (check)
		return check_config(conf, config ? config : CONF_DEFAULT_FILE);
	return daemon_run(&o, conf);
}
