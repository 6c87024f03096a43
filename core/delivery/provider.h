/*
 * provider - who runs an MX host, by its name (core/delivery/providers.txt).
 */
#ifndef POSTRIDER_DELIVERY_PROVIDER_H
#define POSTRIDER_DELIVERY_PROVIDER_H

#include <stdbool.h>

#define PROVIDER_NAME_MAX	23
#define PROVIDER_OTHER		"other"

struct provider {
	const char *name;
	const char *pattern;
	bool is_one;		/* all its MX sets are one receiver */
};

struct providers;

/* The table that is built in. A fault in it is a bug and asserts. */
struct providers *providers_new(void);
void providers_free(struct providers *p);	/* NULL is fine. */

/* The first row that fits host (lower case), or NULL: "other". */
const struct provider *providers_find(const struct providers *p, const char *host);

#endif
