-- The first schema: registry, the hot tables of the line, the event log.
-- compatible: no
--
-- Hot tables carry the bucket (low six bits of a message id) and no foreign
-- keys. message, content, recipient and event are partitioned by the range
-- of message ids: an id is a UUIDv7, so one day's ids are one range, and a
-- row is found by (bucket, id) in one partition without knowing the day.
-- Partitions are made ahead and dropped by the keeper.

-- ---------------------------------------------------------------- registry

-- An account is the pair (AWS account id, region): identities, templates and
-- sets of one region are not seen in another, as in SES.
CREATE TABLE account (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	aws_id text NOT NULL,
	region text NOT NULL,
	sending_enabled boolean NOT NULL DEFAULT true,
	suspended boolean NOT NULL DEFAULT false,
	max_send_rate double precision,		-- null: the setting
	max_24_hour_send double precision,
	details jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (aws_id, region)
);

-- The secret is sealed because SigV4 needs it back; the API key is hashed.
CREATE TABLE access_key (
	access_key_id text PRIMARY KEY,
	account_id int NOT NULL REFERENCES account,
	name text NOT NULL,
	scopes int NOT NULL,
	secret_sealed bytea NOT NULL,
	api_hash bytea UNIQUE,
	smtp_hash bytea,
	created_at timestamptz NOT NULL DEFAULT now(),
	last_used_at timestamptz,
	revoked_at timestamptz
);

CREATE TABLE identity (
	account_id int NOT NULL REFERENCES account,
	name text NOT NULL,			-- domain as A-label, or address
	kind smallint NOT NULL,			-- 0 address, 1 domain
	status smallint NOT NULL,		-- 0 not started, 1 pending, 2 success, 3 failed, 4 temporary failure
	dkim_tokens text[] NOT NULL DEFAULT '{}',
	config_set text,
	attributes jsonb NOT NULL DEFAULT '{}',
	tags jsonb NOT NULL DEFAULT '[]',
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, name)
);

CREATE TABLE config_set (
	account_id int NOT NULL REFERENCES account,
	name text NOT NULL,
	sending_enabled boolean NOT NULL DEFAULT true,
	options jsonb NOT NULL DEFAULT '{}',	-- as the API gave them
	tags jsonb NOT NULL DEFAULT '[]',
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, name)
);

-- A name points to its present version; versions never change, so that a
-- message can name the one it was accepted with.
CREATE TABLE template (
	account_id int NOT NULL REFERENCES account,
	name text NOT NULL,
	version uuid NOT NULL,
	tags jsonb NOT NULL DEFAULT '[]',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, name)
);

CREATE TABLE template_version (
	id uuid PRIMARY KEY,
	account_id int NOT NULL REFERENCES account,
	name text NOT NULL,
	dialect smallint NOT NULL DEFAULT 0,
	subject text,
	body_text text,
	body_html text,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON template_version (account_id, name);

CREATE TABLE suppression (
	account_id int NOT NULL,
	address text NOT NULL,
	reason smallint NOT NULL,		-- 0 bounce, 1 complaint
	message uuid,
	feedback_id text,
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (account_id, address)
);

-- What the installation knows of itself: the check of the master key …
CREATE TABLE installation (
	name text PRIMARY KEY,
	value text NOT NULL
);

-- -------------------------------------------------------------- hot tables

CREATE TABLE message (
	bucket smallint NOT NULL,
	id uuid NOT NULL,
	account_id int NOT NULL,
	accepted_at timestamptz NOT NULL,
	source smallint NOT NULL,		-- 1 v1, 2 v2, 3 smtp
	nonce bigint NOT NULL,			-- of the try that stored it
	sender text NOT NULL,			-- From as given
	subject text,				-- null until rendered
	config_set text,
	template text,
	head text NOT NULL,			-- JSON: the addresses of the header
	tags jsonb,
	idempotency_key text,
	PRIMARY KEY (bucket, id)
) PARTITION BY RANGE (id);
CREATE INDEX ON message (account_id, id);

-- Apart from message, so that it can be dropped days earlier.
CREATE TABLE content (
	bucket smallint NOT NULL,
	message uuid NOT NULL,
	kind smallint NOT NULL,			-- enum content_kind
	template uuid,				-- the version
	data text,				-- template data
	data_over text,				-- merged over it (bulk entries)
	subject text,
	body_text text,
	body_html text,
	extra text,				-- JSON: headers
	raw bytea,
	PRIMARY KEY (bucket, message)
) PARTITION BY RANGE (message);

-- state is not indexed, so its one update stays on the page (HOT).
CREATE TABLE recipient (
	bucket smallint NOT NULL,
	message uuid NOT NULL,
	idx smallint NOT NULL,
	account_id int NOT NULL,
	kind smallint NOT NULL,			-- 0 to, 1 cc, 2 bcc
	state smallint NOT NULL,		-- enum recipient_state
	attempts smallint NOT NULL DEFAULT 0,
	address text NOT NULL,
	reply text,				-- the last one
	next_attempt_at timestamptz,
	PRIMARY KEY (bucket, message, idx)
) PARTITION BY RANGE (message);
CREATE INDEX ON recipient (account_id, address);

-- Work. due_at means "not before" while node is 0, and "the lease ends" while
-- a node holds the row; so nothing sweeps expired leases: they are due.
CREATE TABLE queue (
	bucket smallint NOT NULL,
	message uuid NOT NULL,
	idx smallint NOT NULL,
	account_id int NOT NULL,
	due_at timestamptz NOT NULL,
	node int NOT NULL,
	fence int NOT NULL,
	attempts int NOT NULL,
	unknowns smallint NOT NULL DEFAULT 0,
	deadline timestamptz NOT NULL,
	site text,
	reason smallint NOT NULL DEFAULT 0,	-- why it is held; 0: it is not
	PRIMARY KEY (bucket, message, idx),
	CHECK (fence >= attempts),
	CHECK (node <> 0 OR due_at <= deadline)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,
	autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
	vacuum_truncate = off);
CREATE INDEX queue_due ON queue (bucket, due_at);

-- Append only; inside a bucket seq rises in commit order, so that a reader's
-- cursor never steps over a row that commits later.
CREATE TABLE event (
	bucket smallint NOT NULL,
	seq bigint NOT NULL,
	message uuid NOT NULL,
	idx smallint NOT NULL,			-- -1: of the whole message
	kind smallint NOT NULL,			-- enum event_kind
	attempt smallint NOT NULL,
	account_id int NOT NULL,
	at timestamptz NOT NULL,
	detail text,				-- JSON, by kind
	PRIMARY KEY (bucket, message, idx, kind, attempt)
) PARTITION BY RANGE (message);
CREATE INDEX ON event (bucket, seq);
CREATE INDEX ON event (account_id, at);

CREATE TABLE bucket_head (
	bucket smallint PRIMARY KEY,
	seq bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500);
INSERT INTO bucket_head SELECT b, 0 FROM generate_series(0, 63) b;

-- Every start makes a row; queue.node holds its epoch.
CREATE TABLE node (
	epoch int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	boot_id bigint NOT NULL,
	name text NOT NULL,
	version text NOT NULL,
	roles int NOT NULL,
	state smallint NOT NULL,		-- 0 alive, 1 draining, 2 gone
	lease_until timestamptz NOT NULL,
	started_at timestamptz NOT NULL DEFAULT now()
);

-- Idempotency keys, 24 hours. first_id is the message (or the first of a bulk
-- call) that won the key.
CREATE TABLE idem (
	slot smallint NOT NULL,
	account_id int NOT NULL,
	key_hash bytea NOT NULL,
	body_hash bytea NOT NULL,
	first_id uuid NOT NULL,
	result text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (slot, account_id, key_hash)
);
CREATE INDEX ON idem (at);

-- What an account sent, by hour: the 24-hour quota.
CREATE TABLE send_count (
	bucket smallint NOT NULL,
	account_id int NOT NULL,
	hour timestamptz NOT NULL,
	recipients bigint NOT NULL,
	PRIMARY KEY (bucket, account_id, hour)
);

-- ----------------------------------------------------------------- sandbox

CREATE TABLE sandbox_mail (
	id uuid PRIMARY KEY,
	account_id int NOT NULL,
	received_at timestamptz NOT NULL,
	message uuid,				-- ours, by its Message-ID
	helo text NOT NULL,
	mail_from text NOT NULL,
	rcpt text[] NOT NULL,
	tls text,
	subject text NOT NULL,
	size bigint NOT NULL,
	raw bytea NOT NULL
);
CREATE INDEX ON sandbox_mail (account_id, id);
