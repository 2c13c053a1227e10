-- The system of record of a fleet: what robots' maps hold, known by the identity of their sessions.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA a2gc;

CREATE TABLE a2gc.models (
    fingerprint text PRIMARY KEY,
    dim integer NOT NULL CHECK (dim > 0),
    name text NOT NULL,
    UNIQUE (fingerprint, dim)
);
CREATE TABLE a2gc.sessions (
    uuid uuid PRIMARY KEY,
    site text NOT NULL CHECK (site <> ''),
    fingerprint text NOT NULL,
    dim integer NOT NULL,
    name text NOT NULL,
    source text NOT NULL,
    first_pushed timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (fingerprint, dim) REFERENCES a2gc.models (fingerprint, dim),
    UNIQUE (uuid, fingerprint, dim)
);
CREATE TABLE a2gc.cameras (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    json text NOT NULL,
    digest bytea GENERATED ALWAYS AS (sha256(json::bytea)) STORED UNIQUE
);
CREATE TABLE a2gc.keyframes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session uuid NOT NULL,
    fingerprint text NOT NULL,
    dim integer NOT NULL,
    number bigint NOT NULL,
    stamp_ns bigint NOT NULL,
    crc32 bigint NOT NULL,
    pose bytea CHECK (octet_length(pose) = 128),
    x double precision,
    y double precision,
    z double precision,
    travelled double precision,
    frame_id text NOT NULL,
    camera bigint REFERENCES a2gc.cameras (id),
    t_base_camera bytea CHECK (octet_length(t_base_camera) = 128),
    descriptor halfvec NOT NULL,
    pushed timestamptz NOT NULL DEFAULT now(),
    -- A keyframe has the model of its session, and a descriptor of that model's length.
    FOREIGN KEY (session, fingerprint, dim) REFERENCES a2gc.sessions (uuid, fingerprint, dim),
    CHECK (vector_dims(descriptor) = dim),
    UNIQUE (session, stamp_ns, crc32)
);
CREATE INDEX keyframes_in_order ON a2gc.keyframes (session, number, stamp_ns, id);
CREATE TABLE a2gc.images (
    keyframe bigint PRIMARY KEY REFERENCES a2gc.keyframes (id),
    jpeg bytea NOT NULL
);
CREATE TABLE a2gc.features (
    keyframe bigint PRIMARY KEY REFERENCES a2gc.keyframes (id),
    kind text NOT NULL,
    data bytea NOT NULL
);

-- Who may see and write a site's sessions: members of the role a2gc_site_<site>.
ALTER TABLE a2gc.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE a2gc.keyframes ENABLE ROW LEVEL SECURITY;
ALTER TABLE a2gc.images ENABLE ROW LEVEL SECURITY;
ALTER TABLE a2gc.features ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION a2gc.of_this_role(site text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT pg_has_role(current_user, oid, 'member') FROM pg_catalog.pg_roles
                     WHERE rolname = 'a2gc_site_' || site), false)
$$;
CREATE POLICY own_site ON a2gc.sessions USING (a2gc.of_this_role(site)) WITH CHECK (a2gc.of_this_role(site));
-- What a policy reads is itself filtered: a keyframe is there where its session is.
CREATE POLICY own_site ON a2gc.keyframes
    USING (session IN (SELECT uuid FROM a2gc.sessions)) WITH CHECK (session IN (SELECT uuid FROM a2gc.sessions));
CREATE POLICY own_site ON a2gc.images
    USING (EXISTS (SELECT FROM a2gc.keyframes k WHERE k.id = keyframe))
    WITH CHECK (EXISTS (SELECT FROM a2gc.keyframes k WHERE k.id = keyframe));
CREATE POLICY own_site ON a2gc.features
    USING (EXISTS (SELECT FROM a2gc.keyframes k WHERE k.id = keyframe))
    WITH CHECK (EXISTS (SELECT FROM a2gc.keyframes k WHERE k.id = keyframe));

-- Robots read and add; nobody but the owner changes or deletes.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'a2gc_reader') THEN CREATE ROLE a2gc_reader NOLOGIN; END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'a2gc_writer') THEN CREATE ROLE a2gc_writer NOLOGIN; END IF;
END $$;
GRANT USAGE ON SCHEMA a2gc TO a2gc_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA a2gc TO a2gc_reader;
GRANT a2gc_reader TO a2gc_writer;
GRANT INSERT ON ALL TABLES IN SCHEMA a2gc TO a2gc_writer;

CREATE VIEW a2gc.session_summary WITH (security_invoker) AS
    SELECT s.uuid, s.site, s.name, m.name AS model, count(k.id) AS keyframes,
           to_timestamp(min(k.stamp_ns) / 1e9) AS began, to_timestamp(max(k.stamp_ns) / 1e9) AS ended,
           max(k.travelled) AS travelled_m, max(k.pushed) AS last_pushed
    FROM a2gc.sessions s JOIN a2gc.models m USING (fingerprint) LEFT JOIN a2gc.keyframes k ON k.session = s.uuid
    GROUP BY s.uuid, s.site, s.name, m.name;
CREATE VIEW a2gc.keyframe_positions WITH (security_invoker) AS
    SELECT k.id, s.site, s.name AS session_name, k.session, to_timestamp(k.stamp_ns / 1e9) AS seen, k.x, k.y, k.z,
           k.travelled AS travelled_m, k.frame_id
    FROM a2gc.keyframes k JOIN a2gc.sessions s ON s.uuid = k.session;
GRANT SELECT ON a2gc.session_summary, a2gc.keyframe_positions TO a2gc_reader;
