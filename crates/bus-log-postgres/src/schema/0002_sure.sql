-- What the first version's functions lacked. Programs that know only that version go on with the log: all that they
-- call stays.

-- Where commits wait for standbys, one that wrote nothing waits for nobody, and may tell of what this server alone
-- has: of a commit whose own wait was cut short. So whoever tells of what others committed writes a message that nobody
-- reads, no row and no lock, and waits for the standbys to have that and all that was committed before it. Each function
-- does so itself, in the same lines: a program of the first version may lack the permission for what is new here.
-- Those that lock a row have written by that: archive waits also where it hides nothing.

-- The same as bounds, told once the standbys have it: for whoever takes what he finds there for done.
CREATE FUNCTION {schema}.sure_bounds(p_tenant bytea, p_thread bytea)
RETURNS TABLE (o_last bigint, o_watermark bigint, o_erased boolean)
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery() THEN
        PERFORM pg_logical_emit_message(true, 'bus_log', ''::text);
    END IF;
    RETURN QUERY SELECT b.o_last, b.o_watermark, b.o_erased
      FROM {schema}.bounds(p_tenant, p_thread) AS b;
END
$$;

-- Appends a batch, all or none of it. "fits" is false where the expectation does not hold, and null
-- where the ordinals would not; nothing is written then. "last" is the thread's last ordinal.
CREATE OR REPLACE FUNCTION {schema}.append(
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
            -- What it tells of may be an append of the caller's own whose answer was lost.
            IF current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery() THEN
                PERFORM pg_logical_emit_message(true, 'bus_log', ''::text);
            END IF;
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

-- Writes the counter row as it is: that this commits tells that all before it is as safe as this is.
CREATE OR REPLACE FUNCTION {schema}.outlast(p_tenant bytea, p_thread bytea)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    UPDATE {schema}.threads t SET last = t.last
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
END
$$;

-- Events after a cursor, at least one if there is one, at most so many, and no more once their bytes
-- pass the bound. "last" is what the thread's last ordinal was: a batch is seen whole or not at all.
-- STABLE: all its statements see the one moment of the call. Otherwise a purge between the counter row
-- and the events would leave a hole that no watermark tells of. Where an event is missing that is not hidden,
-- the page ends, and what begins there fails.
CREATE OR REPLACE FUNCTION {schema}.read(
    p_tenant bytea,
    p_thread bytea,
    p_after  bigint,
    p_limit  bigint,
    p_bytes  bigint
) RETURNS TABLE (o_ordinal bigint, o_at_us bigint, o_meta bytea, o_event bytea, o_last bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_id        bigint;
    v_watermark bigint;
    v_before    bigint;
    v_bytes     bigint := 0;
    v_any       boolean := false;
BEGIN
    PERFORM set_config('bus_log.tenant', encode(p_tenant, 'hex'), true);
    SELECT t.id, t.watermark, t.last INTO v_id, v_watermark, o_last FROM {schema}.threads t
     WHERE t.tenant = p_tenant AND t.thread = p_thread;
    v_before := greatest(p_after, v_watermark);
    FOR o_ordinal, o_at_us, o_meta, o_event IN
        SELECT e.ordinal, e.at_us, e.meta, e.event FROM {schema}.events e
         WHERE e.tenant = p_tenant AND e.thread_id = v_id
           AND e.ordinal > v_before AND e.ordinal <= o_last
         ORDER BY e.ordinal
         LIMIT p_limit
    LOOP
        EXIT WHEN o_ordinal - 1 <> v_before;
        v_bytes := v_bytes + octet_length(o_event) + coalesce(octet_length(o_meta), 0);
        EXIT WHEN v_any AND v_bytes > p_bytes;
        v_any := true;
        v_before := o_ordinal;
        RETURN NEXT;
    END LOOP;
    IF NOT v_any AND v_before < o_last THEN
        RAISE EXCEPTION 'event is missing after ordinal %', v_before USING ERRCODE = 'data_corrupted';
    END IF;
END
$$;

-- Deletes at most so many of the hidden events, and no more once their bytes pass the bound, at least
-- one, and says how many are left to delete. In portions, so that no thread's appends wait long and no
-- statement runs into its time limit.
CREATE OR REPLACE FUNCTION {schema}.purge(p_tenant bytea, p_thread bytea, p_most bigint, p_bytes bigint)
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
    v_to := v_from + v_to;
    SELECT coalesce(max(p.ordinal), v_to) INTO v_to
      FROM (SELECT e.ordinal,
                   sum(octet_length(e.event) + coalesce(octet_length(e.meta), 0))
                       OVER (ORDER BY e.ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                       AS before
              FROM {schema}.events e
             WHERE e.tenant = p_tenant AND e.thread_id = v_id
               AND e.ordinal > v_from AND e.ordinal <= v_to) AS p
     WHERE p.before IS NULL OR p.before < p_bytes;
    v_left := v_left - (v_to - v_from);
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
