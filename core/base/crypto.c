#include "core/base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/base/encode.h"
#include "core/base/mem.h"
#include "core/base/rand.h"
#include "core/base/text.h"

#define BLOCK_SIZE	64	/* of SHA-256 */
#define KEY_SIZE	32
#define KEYS_MAX	16	/* lines of one master key file */
#define KEY_FILE_MAX	4096
#define ID_SIZE		4
#define ID_WORD_MAX	32
#define NONCE_SIZE	12
#define TAG_SIZE	16
#define SEAL_VERSION	1
#define SEAL_HEAD	(1 + ID_SIZE + NONCE_SIZE)

/*
 * Fetched once: a fetch costs as much as hashing half a kilobyte. Written
 * under the pthread_once, only read afterwards; they live as long as we do.
 */
static EVP_MD *sha256;
static EVP_CIPHER *aes256;
static pthread_key_t context_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
free_context(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

/* A library without SHA-256 or memory is nothing to go on with. */
static void
must(bool ok)
{
	if (ok)
		return;
	fputs("postrider: OpenSSL does not work here, stopping\n", stderr);
	abort();
}

static void
fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	aes256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	must(sha256 != NULL && aes256 != NULL);
	must(pthread_key_create(&context_key, free_context) == 0);
}

void
crypto_init(void)
{
	pthread_once(&once, fetch);
}

/* The context of this thread for hashes that begin and end in one call. */
static EVP_MD_CTX *
context(void)
{
	EVP_MD_CTX *ctx;

	crypto_init();
	if ((ctx = pthread_getspecific(context_key)) != NULL)
		return ctx;
	ctx = EVP_MD_CTX_new();
	must(ctx != NULL && pthread_setspecific(context_key, ctx) == 0);
	return ctx;
}

static void
begin(EVP_MD_CTX *ctx)
{
	must(EVP_DigestInit_ex2(ctx, sha256, NULL) == 1);
}

static void
update(EVP_MD_CTX *ctx, const void *p, size_t n)
{
	if (n > 0)
		must(EVP_DigestUpdate(ctx, p, n) == 1);
}

static void
end(EVP_MD_CTX *ctx, uint8_t out[SHA256_SIZE])
{
	must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

void
crypto_sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE])
{
	EVP_MD_CTX *ctx = context();

	begin(ctx);
	update(ctx, p, n);
	end(ctx, out);
}

/* RFC 2104, by hand: half the cost of an EVP_MAC for the short texts here. */
void
crypto_hmac(struct slice key, struct slice text, uint8_t out[SHA256_SIZE])
{
	uint8_t pad[BLOCK_SIZE] = { 0 };
	EVP_MD_CTX *ctx = context();
	size_t i;

	if (key.n > BLOCK_SIZE)
		crypto_sha256(key.p, key.n, pad);
	else if (key.n > 0)
		memcpy(pad, key.p, key.n);
	for (i = 0; i < BLOCK_SIZE; i++)
		pad[i] ^= 0x36;
	begin(ctx);
	update(ctx, pad, BLOCK_SIZE);
	update(ctx, text.p, text.n);
	end(ctx, out);
	for (i = 0; i < BLOCK_SIZE; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	begin(ctx);
	update(ctx, pad, BLOCK_SIZE);
	update(ctx, out, SHA256_SIZE);
	end(ctx, out);
	mem_wipe(pad, sizeof(pad));
}

/* One block of output, so one step of the expansion: T(1). */
void
crypto_hkdf(struct slice secret, const char *purpose, uint8_t out[SHA256_SIZE])
{
	struct str info = STR_INIT(256);
	uint8_t prk[SHA256_SIZE];

	crypto_hmac(SLICE_NONE, secret, prk);
	str_puts(&info, purpose);
	str_putc(&info, 1);
	must(!str_failed(&info));
	crypto_hmac(slice_make(prk, sizeof(prk)), str_slice(&info), out);
	str_release(&info);
	mem_wipe(prk, sizeof(prk));
}

bool
crypto_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

/* A struct crypto_hash is an EVP_MD_CTX under a name that others may know. */
struct crypto_hash *
crypto_hash_new(void)
{
	EVP_MD_CTX *ctx;

	crypto_init();
	ctx = EVP_MD_CTX_new();
	must(ctx != NULL);
	begin(ctx);
	return (struct crypto_hash *)ctx;
}

void
crypto_hash_update(struct crypto_hash *h, const void *p, size_t n)
{
	update((EVP_MD_CTX *)h, p, n);
}

void
crypto_hash_end(struct crypto_hash *h, uint8_t out[SHA256_SIZE])
{
	if (h != NULL && out != NULL)
		end((EVP_MD_CTX *)h, out);
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

/* ---- the master key ---- */

struct master_line {
	char word[ID_WORD_MAX + 1];
	uint8_t id[ID_SIZE];	/* as sealed values carry it */
	uint8_t key[KEY_SIZE];
};

struct master_key {
	size_t n;		/* at least 1; line 0 is the active one */
	struct master_line line[KEYS_MAX];
};

void
master_key_free(struct master_key *k)
{
	if (k == NULL)
		return;
	mem_wipe(k, sizeof(*k));
	free(k);
}

/* Any word may name a key; four octets of its hash go into the values. */
static void
name_line(struct master_line *l, struct slice word)
{
	uint8_t hash[SHA256_SIZE];

	memcpy(l->word, word.p, word.n);
	crypto_sha256(word.p, word.n, hash);
	memcpy(l->id, hash, ID_SIZE);
}

static const struct master_line *
find_line(const struct master_key *k, const uint8_t *id)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (memcmp(k->line[i].id, id, ID_SIZE) == 0)
			return &k->line[i];
	return NULL;
}

static bool
parse_line(struct master_key *k, struct slice text)
{
	struct master_line *l = &k->line[k->n];
	struct str key = STR_INIT(KEY_SIZE * 2);
	struct slice word;
	bool ok = false;

	if (k->n == KEYS_MAX || !text_split(&text, ' ', &word) ||
	    word.n == 0 || word.n > ID_WORD_MAX || text.p == NULL)
		return false;
	if (decode_base64url(text_trim(text), &key) == OK &&
	    key.n == KEY_SIZE) {
		name_line(l, word);
		memcpy(l->key, key.p, KEY_SIZE);
		ok = find_line(k, l->id) == NULL;
		k->n++;
	}
	if (key.p != NULL)
		mem_wipe(key.p, key.cap);
	str_release(&key);
	return ok;
}

static int
parse_lines(struct master_key *k, const char *path, struct slice text,
    struct err *err)
{
	struct slice line;
	int n = 0;

	while (text_split(&text, '\n', &line)) {
		n++;
		line = text_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (parse_line(k, line))
			continue;
		err_set(err, ERR_USAGE, "%s: line %d is no master key", path,
		    n);
		err_hint(err, "a line is \"id base64url(32 octets)\", each id "
		    "once, at most %d lines", KEYS_MAX);
		return ERR_USAGE;
	}
	if (k->n > 0)
		return OK;
	err_set(err, ERR_USAGE, "%s holds no master key", path);
	err_hint(err, "restore it from your backup; remove it only when "
	    "nothing is sealed with it yet");
	return ERR_USAGE;
}

/*
 * systemd hands credentials over by an ACL, whose mask looks like a group
 * that may read.
 */
static bool
is_credential(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t n = dir == NULL ? 0 : strlen(dir);

	return n > 0 && strncmp(path, dir, n) == 0 && path[n] == '/';
}

static int
check_file(int fd, const char *path, struct err *err)
{
	mode_t strangers = is_credential(path) ? 0137 : 0177;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "%s is no plain file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		err_set(err, ERR_USAGE, "%s belongs to somebody else", path);
		err_hint(err, "chown %u %s", (unsigned)geteuid(), path);
		return ERR_USAGE;
	}
	if ((st.st_mode & 07777 & strangers) != 0) {
		err_set(err, ERR_USAGE, "%s may be read by others (mode %04o)",
		    path, (unsigned)st.st_mode & 07777);
		err_hint(err, "chmod 600 %s", path);
		return ERR_USAGE;
	}
	return OK;
}

static int
read_file(int fd, const char *path, struct master_key *k, struct err *err)
{
	char text[KEY_FILE_MAX];
	size_t n = 0;
	ssize_t got;
	int rc;

	do {
		got = read(fd, text + n, sizeof(text) - n);
		if (got > 0)
			n += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		rc = err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	else if (n == sizeof(text))
		rc = err_set(err, ERR_USAGE, "%s is too long", path);
	else
		rc = parse_lines(k, path, slice_make(text, n), err);
	mem_wipe(text, sizeof(text));
	return rc;
}

/* The text of a new file: one line, its id from chance. */
static void
new_line(struct str *out)
{
	uint8_t id[ID_SIZE], key[KEY_SIZE];
	char word[2 * ID_SIZE + 1];

	rand_bytes(id, sizeof(id));
	rand_bytes(key, sizeof(key));
	encode_hex(id, sizeof(id), word);
	str_printf(out, "%s ", word);
	encode_base64url(key, sizeof(key), out);
	str_putc(out, '\n');
	mem_wipe(key, sizeof(key));
}

static int
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? mem_strdup(".") :
	    mem_dup(path, (size_t)(slash - path) + 1);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	free(folder);
	return rc;
}

/*
 * Whole or not at all: the file is written under another name and linked
 * to its own. Who comes second finds the link taken and reads that one.
 */
static int
make_file(const char *path, struct err *err)
{
	struct str name = STR_INIT(4096), line = STR_INIT(256);
	int fd, rc = OK;

	new_line(&line);
	str_printf(&name, "%s.%ld.new", path, (long)getpid());
	fd = open(str_text(&name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd < 0 || write(fd, line.p, line.n) != (ssize_t)line.n ||
	    fsync(fd) < 0 || (link(name.p, path) < 0 && errno != EEXIST) ||
	    sync_folder(path) < 0)
		rc = err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	if (fd >= 0) {
		close(fd);
		unlink(name.p);
	}
	mem_wipe(line.p, line.cap);
	str_release(&line);
	str_release(&name);
	return rc;
}

static int
open_file(const char *path, int *fd, struct err *err)
{
	int rc;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0 && errno == ENOENT) {
		if ((rc = make_file(path, err)) != OK)
			return rc;
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (*fd < 0)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	return OK;
}

int
master_key_load(const char *path, struct master_key **out, struct err *err)
{
	struct master_key *k = mem_new(sizeof(*k));
	int rc, fd = -1;

	*out = NULL;
	if ((rc = open_file(path, &fd, err)) != OK)
		goto out;
	if ((rc = check_file(fd, path, err)) != OK)
		goto out;
	if ((rc = read_file(fd, path, k, err)) != OK)
		goto out;
	*out = k;
	k = NULL;
out:
	if (fd >= 0)
		close(fd);
	master_key_free(k);
	return rc;
}

static void
purpose_of(const struct master_line *l, const char *purpose,
    uint8_t out[SHA256_SIZE])
{
	crypto_hkdf(slice_make(l->key, KEY_SIZE), purpose, out);
}

void
master_key_purpose(const struct master_key *k, const char *purpose,
    uint8_t out[SHA256_SIZE])
{
	purpose_of(&k->line[0], purpose, out);
}

void
master_key_check(const struct master_key *k, char out[65])
{
	uint8_t key[SHA256_SIZE], mac[SHA256_SIZE];

	master_key_purpose(k, "check", key);
	crypto_hmac(slice_make(key, sizeof(key)), slice_of(k->line[0].word),
	    mac);
	encode_hex(mac, sizeof(mac), out);
	mem_wipe(key, sizeof(key));
}

/* ---- sealing ---- */

/* One pass of AES-256-GCM; false only when a tag does not fit (open). */
static bool
run_gcm(const uint8_t *key, const uint8_t *nonce, const char *place,
    struct slice in, uint8_t *out, uint8_t *tag, int seal)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, rest = 0;
	bool ok;

	must(ctx != NULL && in.n <= INT32_MAX);
	must(EVP_CipherInit_ex2(ctx, aes256, key, nonce, seal, NULL) == 1);
	must(EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)place,
	    (int)strlen(place)) == 1);
	n = 0;
	if (in.n > 0)
		must(EVP_CipherUpdate(ctx, out, &n, (const uint8_t *)in.p,
		    (int)in.n) == 1);
	if (!seal)
		must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
		    tag) == 1);
	ok = EVP_CipherFinal_ex(ctx, out + n, &rest) == 1;
	if (seal)
		must(ok && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
		    TAG_SIZE, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

void
crypto_seal(const struct master_key *k, const char *purpose, const char *place,
    struct slice plain, struct str *out)
{
	const struct master_line *l = &k->line[0];
	uint8_t key[SHA256_SIZE], *to;

	to = (uint8_t *)str_room(out, SEAL_HEAD + plain.n + TAG_SIZE);
	if (to == NULL)
		return;
	crypto_init();
	purpose_of(l, purpose, key);
	to[0] = SEAL_VERSION;
	memcpy(to + 1, l->id, ID_SIZE);
	rand_bytes(to + 1 + ID_SIZE, NONCE_SIZE);
	run_gcm(key, to + 1 + ID_SIZE, place, plain, to + SEAL_HEAD,
	    to + SEAL_HEAD + plain.n, 1);
	str_advance(out, SEAL_HEAD + plain.n + TAG_SIZE);
	mem_wipe(key, sizeof(key));
}

int
crypto_open(const struct master_key *k, const char *purpose, const char *place,
    struct slice sealed, struct str *out, struct err *err)
{
	const uint8_t *from = (const uint8_t *)sealed.p;
	uint8_t key[SHA256_SIZE], tag[TAG_SIZE], *to;
	const struct master_line *l;
	struct slice body;
	bool ok;

	if (sealed.n < SEAL_HEAD + TAG_SIZE || from[0] != SEAL_VERSION)
		return err_set(err, ERR_INTERNAL,
		    "the value at %s is not sealed", place);
	if ((l = find_line(k, from + 1)) == NULL) {
		err_set(err, ERR_INTERNAL,
		    "the value at %s is sealed with another master key", place);
		err_hint(err, "put the line of that key back into the master "
		    "key file");
		return ERR_INTERNAL;
	}
	body = slice_make(from + SEAL_HEAD, sealed.n - SEAL_HEAD - TAG_SIZE);
	if ((to = (uint8_t *)str_room(out, body.n)) == NULL)
		return err_set(err, ERR_TOO_BIG, "the value at %s is too long",
		    place);
	crypto_init();
	purpose_of(l, purpose, key);
	memcpy(tag, body.p + body.n, TAG_SIZE);
	ok = run_gcm(key, from + 1 + ID_SIZE, place, body, to, tag, 0);
	mem_wipe(key, sizeof(key));
	if (ok) {
		str_advance(out, body.n);
		return OK;
	}
	/* What did not pass the tag is not to be seen. */
	mem_wipe(to, body.n);
	*to = '\0';
	return err_set(err, ERR_INTERNAL, "the value at %s does not open: it "
	    "was changed, or belongs to another place", place);
}
