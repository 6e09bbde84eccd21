-- The log, its functions and its row-level security. {schema} is put in when it is run.
--
-- Names, metas and events are bytea: they may hold NUL, which text can't, they come out as they went
-- in, and they compare byte by byte, whatever the database's collation.

-- Names of tenants that have a thread, and nothing else of them.
CREATE TABLE {schema}.tenants (
    tenant bytea PRIMARY KEY
);

-- The counter row of a thread. It outlives the events: an ordinal is never given twice (law A2).
-- Its lock puts appends in one order, which is the order of their commits.
CREATE TABLE {schema}.threads (
    id        bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    last      bigint  NOT NULL,
    watermark bigint  NOT NULL, -- ordinals up to here are hidden
    purged    bigint  NOT NULL, -- ordinals up to here are deleted
    bytes     bigint  NOT NULL, -- of the events and metas that are not deleted
    last_at   bigint  NOT NULL, -- of the newest event, microseconds since 1970
    erased    boolean NOT NULL DEFAULT false,
    tenant    bytea   NOT NULL,
    thread    bytea   NOT NULL,
    PRIMARY KEY (tenant, thread)
) WITH (fillfactor = 60); -- room beside a counter that every append updates: it stays in its page

-- The tenant stands in every row, and first in the key: the policy below looks at nothing else, and
-- no row of one tenant can take the place of another's.
CREATE TABLE {schema}.events (
    thread_id bigint NOT NULL,
    ordinal   bigint NOT NULL,
    at_us     bigint NOT NULL, -- microseconds since 1970: all times that the log takes, exactly
    tenant    bytea  NOT NULL,
    meta      bytea,           -- null: nothing known besides
    event     bytea  NOT NULL,
    PRIMARY KEY (tenant, thread_id, ordinal)
);

-- Whoever forgets to say a tenant sees nothing: an unset setting is null or empty, and no tenant's
-- name is empty. FORCE: the role that owns the tables is no exception.
ALTER TABLE {schema}.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE {schema}.threads ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.threads FORCE ROW LEVEL SECURITY;
ALTER TABLE {schema}.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.events FORCE ROW LEVEL SECURITY;

CREATE POLICY own_tenant ON {schema}.tenants
    USING (tenant = decode(current_setting('bus_log.tenant', true), 'hex'));
-- The one question that is asked across tenants, and only for their names.
CREATE POLICY names ON {schema}.tenants FOR SELECT
    USING (current_setting('bus_log.names', true) = 'on');
CREATE POLICY own_tenant ON {schema}.threads
    USING (tenant = decode(current_setting('bus_log.tenant', true), 'hex'));
CREATE POLICY own_tenant ON {schema}.events
    USING (tenant = decode(current_setting('bus_log.tenant', true), 'hex'));

-- Each function says the tenant for its own transaction only, which is the statement that calls it:
-- one round trip, and nothing left behind on the connection.

-- Appends a batch, all or none of it. "fits" is false where the expectation does not hold, and null
-- where the ordinals would not; nothing is written then. "last" is the thread's last ordinal.
CREATE FUNCTION {schema}.append(
    p_tenant bytea,
    p_thread bytea,
    p_expect bigint,  -- the last ordinal that must be; null: any
    p_start  bigint,  -- the first ordinal of a new thread, 0: one too large to count; null: any thread
    p_bytes  bigint,
    p_at_us  bigint[],
    p_meta   bytea[],
    p_event  bytea[],
    OUT o_fits boolean,
    OUT o_last bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_count  bigint := cardinality(p_event);
    v_id     bigint;
    v_before bigint;
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    LOOP
        IF v_count > 0 AND p_start IS NULL THEN
            -- Waits for the row's lock, then looks again at what it has become.
            UPDATE {schema}.threads t
               SET last = t.last + v_count,
                   bytes = t.bytes + p_bytes,
                   last_at = p_at_us[v_count]
             WHERE t.tenant = p_tenant AND t.thread = p_thread
               AND (p_expect IS NULL OR t.last = p_expect)
            RETURNING t.id, t.last - v_count INTO v_id, v_before;
            EXIT WHEN FOUND;
        END IF;
        SELECT t.last INTO o_last FROM {schema}.threads t
         WHERE t.tenant = p_tenant AND t.thread = p_thread;
        IF FOUND THEN
            o_fits := p_start IS NULL AND (p_expect IS NULL OR p_expect = o_last);
            -- It came to be as expected between the two statements.
            CONTINUE WHEN o_fits AND v_count > 0;
            RETURN;
        END IF;
        o_last := 0;
        o_fits := p_expect IS NULL OR p_expect = 0;
        IF NOT o_fits OR v_count = 0 THEN
            RETURN;
        END IF;
        IF p_start = 0 OR p_start > 9223372036854775807 - v_count + 1 THEN
            o_fits := NULL;
            RETURN;
        END IF;
        v_before := coalesce(p_start, 1) - 1;
        INSERT INTO {schema}.tenants (tenant) VALUES (p_tenant) ON CONFLICT DO NOTHING;
        INSERT INTO {schema}.threads (tenant, thread, last, watermark, purged, bytes, last_at)
        VALUES (p_tenant, p_thread, v_before + v_count, v_before, v_before, p_bytes,
                p_at_us[v_count])
        ON CONFLICT DO NOTHING
        RETURNING id INTO v_id;
        -- Otherwise somebody else began the thread a moment earlier: once more from the start.
        EXIT WHEN FOUND;
    END LOOP;
    INSERT INTO {schema}.events (tenant, thread_id, ordinal, at_us, meta, event)
    SELECT p_tenant, v_id, v_before + e.place, e.at_us, e.meta, e.event
      FROM unnest(p_at_us, p_meta, p_event) WITH ORDINALITY AS e (at_us, meta, event, place);
    o_last := v_before + v_count;
    o_fits := true;
END
$$;

-- Events after a cursor, at least one if there is one, at most so many, and no more once their bytes
-- pass the bound. "last" is what the thread's last ordinal was: a batch is seen whole or not at all.
CREATE FUNCTION {schema}.read(
    p_tenant bytea,
    p_thread bytea,
    p_after  bigint,
    p_limit  bigint,
    p_bytes  bigint
) RETURNS TABLE (o_ordinal bigint, o_at_us bigint, o_meta bytea, o_event bytea, o_last bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_id        bigint;
    v_watermark bigint;
    v_bytes     bigint := 0;
    v_any       boolean := false;
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    SELECT t.id, t.watermark, t.last INTO v_id, v_watermark, o_last FROM {schema}.threads t
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
    FOR o_ordinal, o_at_us, o_meta, o_event IN
        SELECT e.ordinal, e.at_us, e.meta, e.event FROM {schema}.events e
         WHERE e.tenant = p_tenant AND e.thread_id = v_id
           AND e.ordinal > greatest(p_after, v_watermark) AND e.ordinal <= o_last
         ORDER BY e.ordinal
         LIMIT p_limit
    LOOP
        v_bytes := v_bytes + octet_length(o_event) + coalesce(octet_length(o_meta), 0);
        EXIT WHEN v_any AND v_bytes > p_bytes;
        v_any := true;
        RETURN NEXT;
    END LOOP;
END
$$;

-- How far a thread reaches; no row for an unknown one.
CREATE FUNCTION {schema}.bounds(p_tenant bytea, p_thread bytea)
RETURNS TABLE (o_last bigint, o_watermark bigint, o_erased boolean)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    RETURN QUERY SELECT t.last, t.watermark, t.erased FROM {schema}.threads t
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
END
$$;

-- Hides ordinals up to the watermark and says how many are newly hidden.
CREATE FUNCTION {schema}.archive(p_tenant bytea, p_thread bytea, p_watermark bigint)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_old bigint;
    v_new bigint;
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    SELECT t.watermark, least(t.last, p_watermark) INTO v_old, v_new FROM {schema}.threads t
     WHERE t.tenant = p_tenant AND t.thread = p_thread
       FOR UPDATE;
    IF NOT FOUND OR v_new <= v_old THEN
        RETURN 0;
    END IF;
    UPDATE {schema}.threads t SET watermark = v_new
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
    RETURN v_new - v_old;
END
$$;

-- Hides all that there is for good, and notes that it was done.
CREATE FUNCTION {schema}.erase(p_tenant bytea, p_thread bytea)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    UPDATE {schema}.threads t SET watermark = t.last, erased = true
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
END
$$;

-- Deletes at most so many of the hidden events and says how many are left to delete. In portions, so
-- that no thread's appends wait long and no statement runs into its time limit.
CREATE FUNCTION {schema}.purge(p_tenant bytea, p_thread bytea, p_most bigint)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_id    bigint;
    v_from  bigint;
    v_to    bigint;
    v_left  bigint;
    v_bytes bigint;
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    SELECT t.id, t.purged, least(t.watermark - t.purged, p_most), t.watermark - t.purged
      INTO v_id, v_from, v_to, v_left
      FROM {schema}.threads t
     WHERE t.tenant = p_tenant AND t.thread = p_thread
       FOR UPDATE;
    IF NOT FOUND OR v_left = 0 THEN
        RETURN 0;
    END IF;
    v_left := v_left - v_to;
    v_to := v_from + v_to;
    WITH gone AS (
        DELETE FROM {schema}.events e
         WHERE e.tenant = p_tenant AND e.thread_id = v_id
           AND e.ordinal > v_from AND e.ordinal <= v_to
        RETURNING octet_length(e.event) + coalesce(octet_length(e.meta), 0) AS bytes
    )
    SELECT coalesce(sum(gone.bytes), 0) INTO v_bytes FROM gone;
    UPDATE {schema}.threads t SET purged = v_to, bytes = t.bytes - v_bytes
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
    RETURN v_left;
END
$$;

-- A tenant's threads after a name, in byte order.
CREATE FUNCTION {schema}.list(p_tenant bytea, p_after bytea, p_limit bigint)
RETURNS TABLE (
    o_thread bytea, o_last bigint, o_watermark bigint, o_erased boolean, o_last_at bigint,
    o_bytes bigint
)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    RETURN QUERY
        SELECT t.thread, t.last, t.watermark, t.erased,
               CASE WHEN t.last > t.watermark THEN t.last_at END, t.bytes
          FROM {schema}.threads t
         WHERE t.tenant = p_tenant AND (p_after IS NULL OR t.thread > p_after)
         ORDER BY t.thread
         LIMIT p_limit;
END
$$;

-- All tenants after a name, in byte order.
CREATE FUNCTION {schema}.tenants(p_after bytea, p_limit bigint)
RETURNS TABLE (o_tenant bytea)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bus_log.names', 'on', true);
    RETURN QUERY
        SELECT t.tenant FROM {schema}.tenants t
         WHERE p_after IS NULL OR t.tenant > p_after
         ORDER BY t.tenant
         LIMIT p_limit;
END
$$;
