#include "core/base/id.h"

#include <assert.h>
#include <string.h>

#include "core/base/encode.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/rand.h"

#define MS_DIGITS	12
#define UUID_LENGTH	(ID_TEXT_SIZE - 1)
#define PREFIX_LENGTH	4
#define TAIL		"-000000"

/*
 * Where the last id of this thread stood: within a millisecond the next one
 * goes on from there by a chance step, so ids rise and stay unguessable
 * (RFC 9562 6.2, method 2).
 */
static _Thread_local struct {
	int64_t ms;
	uint64_t count;
} last;

static uint64_t
next_count(int64_t ms)
{
	uint64_t step = rand_u64();

	if (ms == last.ms && last.count < UINT64_MAX - (step >> 24) - 1) {
		last.count += (step >> 24) + 1;
	} else {
		last.ms = ms;
		last.count = step >> 1;		/* leaves half to rise into */
	}
	return last.count;
}

struct id
id_new(int64_t wall_ms, int bucket)
{
	uint64_t count = next_count(wall_ms);
	struct id id;
	int i;

	assert(bucket >= 0 && bucket < BUCKETS);
	for (i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(wall_ms >> (40 - 8 * i));
	/* count fills rand_a (12 bits) and the first 52 bits of rand_b. */
	id.b[6] = (uint8_t)(0x70 | count >> 60);
	id.b[7] = (uint8_t)(count >> 52);
	id.b[8] = (uint8_t)(0x80 | (count >> 46 & 0x3f));
	for (i = 9; i < 14; i++)
		id.b[i] = (uint8_t)(count >> (38 - 8 * (i - 9)));
	id.b[14] = (uint8_t)((count & 0x3f) << 2 | (rand_u64() & 3));
	id.b[15] = (uint8_t)((rand_u64() & 3) << 6 | (unsigned)bucket);
	return id;
}

int
id_bucket(const struct id *id)
{
	return id->b[15] & (BUCKETS - 1);
}

int64_t
id_ms(const struct id *id)
{
	int64_t ms = 0;
	int i;

	for (i = 0; i < 6; i++)
		ms = ms << 8 | id->b[i];
	return ms;
}

int
id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool
id_is_zero(const struct id *id)
{
	static const struct id zero;

	return id_compare(id, &zero) == 0;
}

/* Octets before each dash: 8-4-4-4-12 digits. */
static const size_t groups[] = { 4, 2, 2, 2, 6 };

void
id_text(const struct id *id, char out[ID_TEXT_SIZE])
{
	const uint8_t *from = id->b;
	size_t i;

	for (i = 0; i < COUNT_OF(groups); i++) {
		encode_hex(from, groups[i], out);
		from += groups[i];
		out += 2 * groups[i];
		*out++ = '-';
	}
	out[-1] = '\0';
}

bool
id_parse(struct slice text, struct id *out)
{
	struct id id;
	uint8_t *to = id.b;
	size_t i;

	if (text.n != UUID_LENGTH)
		return false;
	for (i = 0; i < COUNT_OF(groups); i++) {
		size_t n = 2 * groups[i];

		if (i > 0) {
			if (text.p[0] != '-')
				return false;
			text = slice_skip(text, 1);
		}
		if (decode_hex(slice_make(text.p, n), to, groups[i]) != OK)
			return false;
		to += groups[i];
		text = slice_skip(text, n);
	}
	*out = id;
	return true;
}

static const char *
region_prefix(const char *region)
{
	static const struct { const char *region, *prefix; } prefixes[] = {
		{ "us-east-1", "0100" },
		{ "us-west-2", "0101" },
		{ "eu-west-1", "0102" },
		{ "ap-northeast-1", "0106" },
		{ "eu-central-1", "0107" },
		{ "ap-southeast-2", "0108" },
	};
	size_t i;

	for (i = 0; region != NULL && i < COUNT_OF(prefixes); i++)
		if (strcmp(prefixes[i].region, region) == 0)
			return prefixes[i].prefix;
	return "0100";
}

void
id_message(const struct id *id, const char *region, char out[ID_MESSAGE_SIZE])
{
	memcpy(out, region_prefix(region), PREFIX_LENGTH);
	out += PREFIX_LENGTH;
	encode_hex(id->b, MS_DIGITS / 2, out);
	out += MS_DIGITS;
	*out++ = '-';
	id_text(id, out);
	memcpy(out + UUID_LENGTH, TAIL, sizeof(TAIL));
}

bool
id_parse_message(struct slice text, struct id *out)
{
	uint8_t prefix[PREFIX_LENGTH / 2], ms[MS_DIGITS / 2];
	struct id id;

	if (text.n != ID_MESSAGE_SIZE - 1)
		return false;
	if (decode_hex(slice_make(text.p, PREFIX_LENGTH), prefix,
	    sizeof(prefix)) != OK)
		return false;
	text = slice_skip(text, PREFIX_LENGTH);
	if (decode_hex(slice_make(text.p, MS_DIGITS), ms, sizeof(ms)) != OK ||
	    text.p[MS_DIGITS] != '-')
		return false;
	text = slice_skip(text, MS_DIGITS + 1);
	if (!id_parse(slice_make(text.p, UUID_LENGTH), &id) ||
	    memcmp(id.b, ms, sizeof(ms)) != 0)
		return false;
	if (!slice_is(slice_skip(text, UUID_LENGTH), TAIL))
		return false;
	*out = id;
	return true;
}
