/*
 * main - the command line: one row a command.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "api/keys.h"
#include "api/process.h"
#include "api/render.h"
#include "api/serve.h"
#include "core/base/crypto.h"
#include "core/base/mem.h"
#include "core/base/settings.h"
#include "core/db/migrate.h"

static int
version_main(int argc, char **argv)
{
	printf("postrider %s\n", POSTRIDER_VERSION);
	return EXIT_DONE;
}

static int
show_plan(struct process *p, struct err *err)
{
	struct db_params params = { .url = p->database_url,
		.application = "postrider migrate" };
	struct str plan = STR_INIT(1024 * 1024);
	struct db *db = NULL;
	int pending, rc;

	if ((rc = db_open(&params, &db, err)) == OK)
		rc = migrate_plan(db, &plan, &pending, err);
	if (rc == OK)
		printf("%s%d pending\n", str_text(&plan), pending);
	str_release(&plan);
	db_close(db);
	return rc;
}

static int
migrate_main(int argc, char **argv)
{
	struct process p = { .lock_fd = -1 };
	struct db *db = NULL;
	struct err err = { 0 };
	int next = 1, rc;
	bool check;

	if ((rc = settings_load(argc, argv, &next, &p.settings, &err)) != OK)
		return process_fail(&err);
	check = next < argc && strcmp(argv[next], "--check") == 0;
	if ((rc = process_state(&p, false, &err)) == OK &&
	    (rc = process_drop_privileges(&p, &err)) == OK &&
	    (rc = process_database(&p, &err)) == OK)
		rc = check ? show_plan(&p, &err) : process_connect(&p, &db, &err);
	if (rc == OK && !check)
		printf("the schema is up to date\n");
	db_close(db);
	process_end(&p);
	return rc == OK ? EXIT_DONE : process_fail(&err);
}

static const struct command {
	const char *name, *what;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "serve", "run the service; serve --help lists the settings",
	    serve_main },
	{ "migrate", "bring the database schema up to date; --check shows "
	    "what is missing", migrate_main },
	{ "keys", "create [--name N] [--admin] | list | revoke ID, with "
	    "--json for programs", keys_main },
	{ "render", "a template file with a data file, to stdout",
	    render_main },
	{ "version", "the version of this program", version_main },
};

static int
usage(FILE *to, int code)
{
	size_t i;

	fprintf(to, "usage: postrider COMMAND [OPTION…]\n\n");
	for (i = 0; i < COUNT_OF(commands); i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].what);
	return code;
}

int
main(int argc, char **argv)
{
	size_t i;

	/* Memory that a batch freed serves the next one; returning it to the
	   system each time costs more than all the copying. */
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
	crypto_init();
	if (argc < 2)
		return usage(stderr, EXIT_USAGE);
	for (i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, EXIT_DONE);
	fprintf(stderr, "postrider: there is no command %s\n", argv[1]);
	return usage(stderr, EXIT_USAGE);
}
