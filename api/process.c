#include "api/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/db/migrate.h"

int
process_fail(const struct err *err)
{
	fprintf(stderr, "postrider: %s\n", err->message);
	if (err->hint[0] != '\0')
		fprintf(stderr, "  %s\n", err->hint);
	switch (err->code) {
	case ERR_USAGE:
		return EXIT_USAGE;
	case ERR_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case ERR_DENIED:
		return EXIT_REFUSED;
	case ERR_DB_AWAY:
	case ERR_BUSY:
		return EXIT_TRY_AGAIN;
	default:
		return EXIT_FAILED;
	}
}

/* mkdir -p, 0700 for the last one. */
static int
make_dirs(const char *path, struct err *err)
{
	char *copy = strdup(path), *slash;
	int rc = OK;

	for (slash = strchr(copy + 1, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0755);
		*slash = '/';
	}
	if (mkdir(copy, 0700) != 0 && access(copy, F_OK) != 0) {
		rc = err_set(err, ERR_IO, "cannot make the state directory %s: "
		    "%m", path);
		err_hint(err, "set POSTRIDER_STATE to a directory that may be "
		    "written");
	}
	free(copy);
	return rc;
}

int
process_state(struct process *p, bool lock, struct err *err)
{
	char path[512];
	int rc;

	p->lock_fd = -1;
	if ((rc = make_dirs(p->settings.state, err)) != OK || !lock)
		return rc;
	snprintf(path, sizeof(path), "%s/lock", p->settings.state);
	p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock_fd < 0)
		return err_set(err, ERR_IO, "cannot open %s: %m", path);
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		err_set(err, ERR_IO, "another postrider serves from the state "
		    "directory %s", p->settings.state);
		err_hint(err, "stop it first, or set POSTRIDER_STATE");
		return ERR_IO;
	}
	return OK;
}

static int
chown_state(const struct process *p, const struct passwd *user, struct err *err)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/lock", p->settings.state);
	if (chown(p->settings.state, user->pw_uid, user->pw_gid) != 0)
		return err_set(err, ERR_IO, "cannot give %s to %s: %m",
		    p->settings.state, user->pw_name);
	if (p->lock_fd >= 0 && fchown(p->lock_fd, user->pw_uid,
	    user->pw_gid) != 0)
		return err_set(err, ERR_IO, "cannot give %s to %s: %m", path,
		    user->pw_name);
	/* A key that root made stays readable for the service. */
	if (access(p->settings.master_key_file, F_OK) == 0 &&
	    chown(p->settings.master_key_file, user->pw_uid,
	    user->pw_gid) != 0)
		return err_set(err, ERR_IO, "cannot give the master key to %s: "
		    "%m", user->pw_name);
	return OK;
}

int
process_drop_privileges(struct process *p, struct err *err)
{
	struct passwd *user;
	int rc;

	if (geteuid() != 0 || p->settings.user == NULL)
		return OK;
	if ((user = getpwnam(p->settings.user)) == NULL) {
		err_set(err, ERR_USAGE, "there is no user %s to run as",
		    p->settings.user);
		err_hint(err, "make it: useradd --system --home-dir / --shell "
		    "/usr/sbin/nologin %s; or set POSTRIDER_USER",
		    p->settings.user);
		return ERR_USAGE;
	}
	if ((rc = chown_state(p, user, err)) != OK)
		return rc;
	if (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0 || setuid(0) == 0)
		return err_set(err, ERR_IO, "cannot become %s: %m",
		    p->settings.user);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return OK;
}

int
process_database(struct process *p, struct err *err)
{
	int rc;

	rc = master_key_load(p->settings.master_key_file, &p->master_key, err);
	if (rc != OK)
		return rc;
	p->database_url = p->settings.database_url;
	if (p->database_url != NULL)
		return OK;
	if ((rc = cluster_start(p->settings.state, &p->cluster, err)) == OK)
		p->database_url = cluster_url(p->cluster);
	return rc;
}

/* A database that was made with another key holds what nobody can read. */
static int
check_master_key(struct process *p, struct db *db, struct err *err)
{
	char check[65], kept[65];
	int rc;

	master_key_check(p->master_key, check);
	if ((rc = process_store_check(db, check, kept, err)) != OK ||
	    strcmp(check, kept) == 0)
		return rc;
	err_set(err, ERR_USAGE, "the master key %s is not the one that this "
	    "database was made with", p->settings.master_key_file);
	err_hint(err, "restore the right file; without it every credential "
	    "must be made anew");
	return ERR_USAGE;
}

int
process_connect(struct process *p, struct db **db, struct err *err)
{
	struct db_params params = { .url = p->database_url,
		.application = "postrider command" };
	int rc;

	if ((rc = db_open(&params, db, err)) != OK)
		return rc;
	if ((rc = migrate_apply(*db, err)) != OK ||
	    (rc = check_master_key(p, *db, err)) != OK) {
		db_close(*db);
		*db = NULL;
	}
	return rc;
}

void
process_end(struct process *p)
{
	if (p->cluster != NULL && cluster_is_ours(p->cluster))
		cluster_stop(p->cluster);
	master_key_free(p->master_key);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	settings_release(&p->settings);
}
