#include <assert.h>
#include <endian.h>
#include <string.h>

#include "core/db/inside.h"

/*
 * Values stand in PostgreSQL's binary form, big-endian, one behind the other
 * (src/backend/utils/adt, *_send and *_recv). An array of one dimension is
 * dimensions, has-null, element type, count, lower bound, then length and
 * octets of each element; length -1 is NULL. An empty one has no dimension.
 */
#define ARRAY_HEAD	20
#define ARRAY_EMPTY	12
#define AT_HAS_NULL	4
#define AT_COUNT	12

/* 2000-01-01, PostgreSQL's epoch. */
#define PG_EPOCH_MS	INT64_C(946684800000)
#define JSONB_VERSION	1

void
db_args_init(struct db_args *a)
{
	a->buf = STR_INIT(DB_ARGS_BYTES);
	a->n = 0;
	a->open = -1;
}

void
db_args_clear(struct db_args *a)
{
	str_clear(&a->buf);
	if (a->buf.max == 0)		/* zeroed, never initialised */
		a->buf.max = DB_ARGS_BYTES;
	a->n = 0;
	a->open = -1;
}

void
db_args_release(struct db_args *a)
{
	str_release(&a->buf);
	a->n = 0;
	a->open = -1;
}

int64_t
db_time_to_wire(int64_t wall_ms)
{
	return (wall_ms - PG_EPOCH_MS) * 1000;
}

int64_t
db_time_from_wire(int64_t us)
{
	/* Rounded down, before 2000 too. */
	int64_t ms = us / 1000 - (us % 1000 < 0);

	return ms + PG_EPOCH_MS;
}

static void
put(struct db_args *a, const void *p, size_t n)
{
	char *to = str_room(&a->buf, n);

	if (to == NULL)
		return;
	if (n > 0)
		memcpy(to, p, n);
	str_advance(&a->buf, n);
}

static void
put32(struct db_args *a, uint32_t v)
{
	v = htobe32(v);
	put(a, &v, sizeof(v));
}

/* ---- scalars ---- */

static void
begin_value(struct db_args *a, enum db_type type, bool array, bool null)
{
	assert(a->open < 0 && a->n < DB_ARGS_MAX);
	a->v[a->n].type = type;
	a->v[a->n].array = array;
	a->v[a->n].null = null;
	a->v[a->n].at = a->buf.n;
	a->v[a->n].len = 0;
	a->v[a->n].count = 0;
}

static void
end_value(struct db_args *a)
{
	a->v[a->n].len = a->buf.n - a->v[a->n].at;
	a->n++;
}

static void
scalar(struct db_args *a, enum db_type type, const void *p, size_t n)
{
	begin_value(a, type, false, p == NULL);
	put(a, p, p == NULL ? 0 : n);
	end_value(a);
}

void
db_arg_int2(struct db_args *a, int v)
{
	uint16_t w = htobe16((uint16_t)v);

	assert(v >= INT16_MIN && v <= INT16_MAX);
	scalar(a, DB_INT2, &w, sizeof(w));
}

void
db_arg_int4(struct db_args *a, int32_t v)
{
	uint32_t w = htobe32((uint32_t)v);

	scalar(a, DB_INT4, &w, sizeof(w));
}

void
db_arg_int8(struct db_args *a, int64_t v)
{
	uint64_t w = htobe64((uint64_t)v);

	scalar(a, DB_INT8, &w, sizeof(w));
}

void
db_arg_bool(struct db_args *a, bool v)
{
	char w = v ? 1 : 0;

	scalar(a, DB_BOOL, &w, sizeof(w));
}

void
db_arg_text(struct db_args *a, const char *s)
{
	scalar(a, DB_TEXT, s, s == NULL ? 0 : strlen(s));
}

void
db_arg_slice(struct db_args *a, struct slice s)
{
	scalar(a, DB_TEXT, s.p, s.n);
}

void
db_arg_bytea(struct db_args *a, struct slice s)
{
	scalar(a, DB_BYTEA, s.p, s.n);
}

void
db_arg_jsonb(struct db_args *a, struct slice json)
{
	char version = JSONB_VERSION;

	begin_value(a, DB_JSONB, false, json.p == NULL);
	if (json.p != NULL) {
		put(a, &version, sizeof(version));
		put(a, json.p, json.n);
	}
	end_value(a);
}

void
db_arg_uuid(struct db_args *a, const struct id *id)
{
	scalar(a, DB_UUID, id == NULL ? NULL : id->b, sizeof(id->b));
}

void
db_arg_time(struct db_args *a, int64_t wall_ms)
{
	uint64_t w = htobe64((uint64_t)db_time_to_wire(wall_ms));

	scalar(a, DB_TIME, &w, sizeof(w));
}

void
db_arg_null(struct db_args *a, enum db_type type)
{
	scalar(a, type, NULL, 0);
}

/* ---- arrays ---- */

void
db_array_begin(struct db_args *a, enum db_type type)
{
	begin_value(a, type, true, false);
	a->open = a->n;
	put32(a, 1);
	put32(a, 0);
	put32(a, (uint32_t)type);
	put32(a, 0);
	put32(a, 1);
}

static void
element(struct db_args *a, enum db_type type, const void *p, size_t n)
{
	uint32_t head = htobe32((uint32_t)n);
	char *to;

	assert(a->open >= 0 && a->v[a->open].type == type);
	if (p == NULL) {
		db_array_null(a);
		return;
	}
	a->v[a->open].count++;
	if ((to = str_room(&a->buf, sizeof(head) + n)) == NULL)
		return;
	memcpy(to, &head, sizeof(head));
	if (n > 0)
		memcpy(to + sizeof(head), p, n);
	str_advance(&a->buf, sizeof(head) + n);
}

void
db_array_int2(struct db_args *a, int v)
{
	uint16_t w = htobe16((uint16_t)v);

	assert(v >= INT16_MIN && v <= INT16_MAX);
	element(a, DB_INT2, &w, sizeof(w));
}

void
db_array_int4(struct db_args *a, int32_t v)
{
	uint32_t w = htobe32((uint32_t)v);

	element(a, DB_INT4, &w, sizeof(w));
}

void
db_array_int8(struct db_args *a, int64_t v)
{
	uint64_t w = htobe64((uint64_t)v);

	element(a, DB_INT8, &w, sizeof(w));
}

void
db_array_bool(struct db_args *a, bool v)
{
	char w = v ? 1 : 0;

	element(a, DB_BOOL, &w, sizeof(w));
}

void
db_array_text(struct db_args *a, struct slice s)
{
	element(a, DB_TEXT, s.p, s.n);
}

void
db_array_bytea(struct db_args *a, struct slice s)
{
	element(a, DB_BYTEA, s.p, s.n);
}

void
db_array_jsonb(struct db_args *a, struct slice json)
{
	char version = JSONB_VERSION;

	assert(a->open >= 0 && a->v[a->open].type == DB_JSONB);
	if (json.p == NULL) {
		db_array_null(a);
		return;
	}
	a->v[a->open].count++;
	put32(a, (uint32_t)json.n + sizeof(version));
	put(a, &version, sizeof(version));
	put(a, json.p, json.n);
}

void
db_array_uuid(struct db_args *a, const struct id *id)
{
	element(a, DB_UUID, id == NULL ? NULL : id->b, sizeof(id->b));
}

void
db_array_time(struct db_args *a, int64_t wall_ms)
{
	uint64_t w = htobe64((uint64_t)db_time_to_wire(wall_ms));

	element(a, DB_TIME, &w, sizeof(w));
}

/* Writes a word of the open array's header. */
static void
patch32(struct db_args *a, size_t offset, uint32_t v)
{
	v = htobe32(v);
	memcpy(a->buf.p + a->v[a->open].at + offset, &v, sizeof(v));
}

void
db_array_null(struct db_args *a)
{
	assert(a->open >= 0);
	a->v[a->open].count++;
	put32(a, UINT32_MAX);
	if (!str_failed(&a->buf))
		patch32(a, AT_HAS_NULL, 1);
}

void
db_array_end(struct db_args *a)
{
	assert(a->open >= 0);
	if (str_failed(&a->buf)) {
		/* The send refuses the whole set. */
	} else if (a->v[a->open].count == 0) {
		patch32(a, 0, 0);
		str_truncate(&a->buf, a->v[a->open].at + ARRAY_EMPTY);
	} else {
		patch32(a, AT_COUNT, (uint32_t)a->v[a->open].count);
	}
	a->open = -1;
	end_value(a);
}

/* ---- what a send needs ---- */

static const struct {
	enum db_type type;
	Oid array;
} arrays[] = {
	{ DB_BOOL, 1000 }, { DB_BYTEA, 1001 }, { DB_INT2, 1005 },
	{ DB_INT4, 1007 }, { DB_TEXT, 1009 }, { DB_INT8, 1016 },
	{ DB_FLOAT8, 1022 }, { DB_DATE, 1182 }, { DB_TIME, 1185 },
	{ DB_UUID, 2951 }, { DB_JSONB, 3807 },
};

static Oid
array_oid(enum db_type type)
{
	size_t i;

	for (i = 0; i < COUNT_OF(arrays); i++)
		if (arrays[i].type == type)
			return arrays[i].array;
	assert(!"no array of this type");
	return 0;
}

void
db_args_types(const struct db_args *a, Oid out[DB_ARGS_MAX])
{
	int i;

	for (i = 0; i < a->n; i++)
		out[i] = a->v[i].array ? array_oid(a->v[i].type)
		    : (Oid)a->v[i].type;
}

void
db_args_values(const struct db_args *a, const char *values[DB_ARGS_MAX],
    int lengths[DB_ARGS_MAX])
{
	int i;

	for (i = 0; i < a->n; i++) {
		lengths[i] = (int)a->v[i].len;
		if (a->v[i].null)
			values[i] = NULL;
		else
			values[i] = str_text(&a->buf) + a->v[i].at;
	}
}
