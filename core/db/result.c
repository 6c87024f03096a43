#include <assert.h>
#include <endian.h>
#include <string.h>

#include "core/base/text.h"
#include "core/db/inside.h"

enum { OID_NAME = 19, OID_OID = 26, OID_JSON = 114, OID_FLOAT4 = 700,
    OID_UNKNOWN = 705, OID_BPCHAR = 1042, OID_VARCHAR = 1043,
    OID_TIMESTAMP = 1114 };

#define DAY_US	INT64_C(86400000000)

void
db_result_free(struct db_result *r)
{
	PQclear(db_pg(r));
}

int
db_rows(const struct db_result *r)
{
	return PQntuples(db_pg(r));
}

const char *
db_tag(const struct db_result *r)
{
	return PQcmdStatus(db_pg(r));
}

int64_t
db_affected(const struct db_result *r)
{
	int64_t n;

	if (!text_to_int(slice_of(PQcmdTuples(db_pg(r))), 0, INT64_MAX, &n))
		return 0;
	return n;
}

bool
db_is_null(const struct db_result *r, int row, int col)
{
	assert(row >= 0 && row < PQntuples(db_pg(r)));
	assert(col >= 0 && col < PQnfields(db_pg(r)));
	return PQgetisnull(db_pg(r), row, col);
}

/* The octets of a column; false for NULL. */
static bool
octets(const struct db_result *r, int row, int col, struct slice *out)
{
	if (db_is_null(r, row, col))
		return false;
	*out = slice_make(PQgetvalue(db_pg(r), row, col),
	    (size_t)PQgetlength(db_pg(r), row, col));
	return true;
}

static Oid
type_of(const struct db_result *r, int col)
{
	return PQftype(db_pg(r), col);
}

static int64_t
read64(struct slice s)
{
	uint64_t v;

	assert(s.n == sizeof(v));
	memcpy(&v, s.p, sizeof(v));
	return (int64_t)be64toh(v);
}

static int32_t
read32(struct slice s)
{
	uint32_t v;

	assert(s.n == sizeof(v));
	memcpy(&v, s.p, sizeof(v));
	return (int32_t)be32toh(v);
}

static int
read16(struct slice s)
{
	uint16_t v;

	assert(s.n == sizeof(v));
	memcpy(&v, s.p, sizeof(v));
	return (int16_t)be16toh(v);
}

int64_t
db_int(const struct db_result *r, int row, int col)
{
	struct slice s;

	if (!octets(r, row, col, &s))
		return 0;
	switch (type_of(r, col)) {
	case DB_INT8:
		return read64(s);
	case DB_INT4:
		return read32(s);
	case DB_INT2:
		return read16(s);
	case OID_OID:
		return (uint32_t)read32(s);
	default:
		assert(!"column is no integer");
		return 0;
	}
}

bool
db_bool(const struct db_result *r, int row, int col)
{
	struct slice s;

	if (!octets(r, row, col, &s))
		return false;
	assert(type_of(r, col) == DB_BOOL && s.n == 1);
	return s.p[0] != 0;
}

double
db_double(const struct db_result *r, int row, int col)
{
	struct slice s;
	int64_t w;
	int32_t w4;
	double d;
	float f;

	if (!octets(r, row, col, &s))
		return 0;
	if (type_of(r, col) == OID_FLOAT4) {
		w4 = read32(s);
		memcpy(&f, &w4, sizeof(f));
		return f;
	}
	assert(type_of(r, col) == DB_FLOAT8);
	w = read64(s);
	memcpy(&d, &w, sizeof(d));
	return d;
}

struct slice
db_text(const struct db_result *r, int row, int col)
{
	struct slice s;

	if (!octets(r, row, col, &s))
		return SLICE_NONE;
	switch (type_of(r, col)) {
	case DB_TEXT:
	case DB_BYTEA:
	case OID_NAME:
	case OID_JSON:
	case OID_UNKNOWN:
	case OID_BPCHAR:
	case OID_VARCHAR:
		return s;
	case DB_JSONB:
		assert(s.n > 0);
		return slice_skip(s, 1);	/* the version */
	default:
		assert(!"column is no text");
		return SLICE_NONE;
	}
}

struct id
db_uuid(const struct db_result *r, int row, int col)
{
	struct id id = { { 0 } };
	struct slice s;

	if (!octets(r, row, col, &s))
		return id;
	assert(type_of(r, col) == DB_UUID && s.n == sizeof(id.b));
	memcpy(id.b, s.p, sizeof(id.b));
	return id;
}

int64_t
db_time(const struct db_result *r, int row, int col)
{
	struct slice s;

	if (!octets(r, row, col, &s))
		return 0;
	switch (type_of(r, col)) {
	case DB_TIME:
	case OID_TIMESTAMP:
		return db_time_from_wire(read64(s));
	case DB_DATE:
		return db_time_from_wire(read32(s) * DAY_US);
	default:
		assert(!"column is no time");
		return 0;
	}
}
