/**
 * The verbs as functions of the server: one call each, so each is atomic and costs one round trip.
 *
 * Each takes the row of its lock first, then reads the clock, then removes the tickets whose time is up, then acts, as
 * the rule of store/rule.ts says. They are VOLATILE and run at READ COMMITTED: every statement after the one that took
 * the row sees all that was committed until then. One statement over several tables would not: its snapshot is older
 * than the lock that it waited for, and three who queue for one row all come to hold.
 *
 * Who comes alone is kept inside the row of its lock, and entering and leaving are one statement. The first call that
 * finds more to do (`holdfast_take`) makes it a row of holdfast_tickets; from then on, until nobody is left, each
 * ticket is a row: what one ticket costs does not depend on how many wait.
 *
 * Settings of the server that could harm are set for the time of a call: the search path, since whoever may create
 * operators in a schema of it could have them run here; the limit on waiting for a lock, after which the driver asks
 * again, so that a row that somebody keeps does not keep the whole connection; and full scans, which a plan that was
 * made while a table was empty would go on using.
 */
import { micros, quoted } from './names.ts'

/** A row that somebody keeps is waited for no longer; then other calls of this connection have their turn. */
const LOCK_MS = 250
const SAFE = `SET search_path = pg_catalog, pg_temp SET lock_timeout = '${LOCK_MS}ms' SET enable_seqscan = off`
/** An end farther away than that tells of a clock that was set back (see store/queue.ts, as for what follows). */
const TOLERANCE = micros(1_000)
const REVOKED = micros(60_000)
const REMEMBER = micros(86_400_000)
/** Messages of NOTIFY have at most 8,000 bytes, and tokens sixteen digits. */
const TOKENS_TOLD = 200
const REASON_TOLD = 2_000

const TICKET = 'token, tokens, id, shared, most, about, channel, entered, held, ends, life, claim, kept, revoked'

export function functions(schema: string): readonly string[] {
  const s = quoted(schema)
  return [
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_micros() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::bigint
$$`,

    // Walks the rule: marks and tells who holds since now, but for `me`, who gets the answer.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_settle(ns bytea, k bytea, now bigint, me text,
  OUT holders int, OUT edge bigint, OUT exclusive boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  t record;
  channels text[] := '{}';
  tokens bigint[] := '{}';
BEGIN
  holders := 0;
  edge := 0;
  exclusive := false;
  FOR t IN SELECT x.token, x.id, x.shared, x.most, x.held, x.channel FROM ${s}.holdfast_tickets x
    WHERE x.namespace = ns AND x.key = k ORDER BY x.token
  LOOP
    EXIT WHEN (holders > 0 AND NOT t.shared) OR holders >= t.most;
    holders := holders + 1;
    edge := t.token;
    exclusive := NOT t.shared;
    IF t.held IS NULL THEN
      UPDATE ${s}.holdfast_tickets x SET held = now WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
      IF t.channel IS NOT NULL AND t.id IS DISTINCT FROM me THEN
        channels := channels || t.channel;
        tokens := tokens || t.token;
      END IF;
    END IF;
    EXIT WHEN exclusive;
  END LOOP;
  IF cardinality(tokens) > 0 THEN
    FOR t IN SELECT told.channel, string_agg(told.token::text, ',') AS tokens
      FROM (SELECT u.channel, u.token, (row_number() OVER (PARTITION BY u.channel)) / ${TOKENS_TOLD} AS part
        FROM unnest(channels, tokens) AS u(channel, token)) AS told
      GROUP BY told.channel, told.part
    LOOP
      PERFORM pg_notify(t.channel, 'h ' || t.tokens || chr(10) || encode(k, 'base64'));
    END LOOP;
  END IF;
END
$$`,

    // The key's lock, then the clock, then out with what has run out. `make`: a lock that nobody knows is made.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_take(ns bytea, k bytea, make boolean, me text,
  OUT there boolean, OUT now bigint, OUT token_end bigint, OUT forbids boolean,
  OUT amount int, OUT holders int, OUT edge bigint, OUT exclusive boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q ${s}.holdfast_queues;
  first_end bigint;
  stretched boolean;
  gone int;
BEGIN
  LOOP
    SELECT * INTO q FROM ${s}.holdfast_queues l WHERE l.namespace = ns AND l.key = k FOR UPDATE;
    there := FOUND;
    EXIT WHEN there OR NOT make;
    INSERT INTO ${s}.holdfast_queues (namespace, key, token_end) VALUES (ns, k, 0) ON CONFLICT DO NOTHING;
  END LOOP;
  now := ${s}.holdfast_micros();
  amount := 0;
  holders := 0;
  edge := 0;
  exclusive := false;
  IF NOT there THEN
    RETURN;
  END IF;
  token_end := q.token_end;
  forbids := q.forbids;
  IF q.id IS NOT NULL THEN
    INSERT INTO ${s}.holdfast_tickets (namespace, key, ${TICKET})
    VALUES (ns, k, q.token_end - q.tokens, q.tokens, q.id, q.shared, q.most, q.about, q.channel,
      q.since, q.since, q.ends, q.life, NULL, false, NULL);
    UPDATE ${s}.holdfast_queues l SET id = NULL, crowded = true WHERE l.namespace = ns AND l.key = k;
    q.crowded := true;
  END IF;
  IF q.crowded THEN
    SELECT count(*), min(x.ends), coalesce(bool_or(x.ends > now + x.life + ${TOLERANCE}), false)
      INTO amount, first_end, stretched
      FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k;
    IF first_end <= now THEN
      DELETE FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.ends <= now;
      GET DIAGNOSTICS gone = ROW_COUNT;
      amount := amount - gone;
    END IF;
    IF stretched THEN
      UPDATE ${s}.holdfast_tickets x SET ends = now + x.life
        WHERE x.namespace = ns AND x.key = k AND x.ends > now + x.life + ${TOLERANCE};
    END IF;
    IF amount = 0 THEN
      UPDATE ${s}.holdfast_queues l SET crowded = false WHERE l.namespace = ns AND l.key = k;
    ELSE
      SELECT * INTO holders, edge, exclusive FROM ${s}.holdfast_settle(ns, k, now, me);
    END IF;
  END IF;
  IF forbids THEN
    UPDATE ${s}.holdfast_forbidden f SET until = now + f.life
      WHERE f.namespace = ns AND f.key = k AND f.until > now + f.life + ${TOLERANCE};
    DELETE FROM ${s}.holdfast_forbidden f WHERE f.namespace = ns AND f.key = k AND f.until <= now;
    forbids := EXISTS (SELECT FROM ${s}.holdfast_forbidden f WHERE f.namespace = ns AND f.key = k);
    IF NOT forbids THEN
      UPDATE ${s}.holdfast_queues l SET forbids = false WHERE l.namespace = ns AND l.key = k;
    END IF;
  END IF;
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_durable() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  -- Until the end of the transaction: a setting of the function alone would be over before its commit.
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
END
$$`,

    // Prolongs one that holds; its end only moves later, but for the first time after a wait.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_claim(ns bytea, k bytea, t ${s}.holdfast_tickets, now bigint, ttl bigint)
RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  lifespan bigint := greatest(ttl, t.claim);
BEGIN
  IF t.claim IS NULL AND now + ttl <= t.ends THEN
    RETURN least(t.ends - now, t.life, ttl);
  END IF;
  UPDATE ${s}.holdfast_tickets x SET ends = now + lifespan, life = lifespan, claim = NULL
    WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
  RETURN least(lifespan, ttl);
END
$$`,

    // Would a shared ticket hold if all before it that end by then had ended?
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_holds_after(ns bytea, k bytea, mine bigint, then_ bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  t record;
  before int := 0;
BEGIN
  FOR t IN SELECT x.token, x.shared, x.most FROM ${s}.holdfast_tickets x
    WHERE x.namespace = ns AND x.key = k AND x.token <= mine AND (x.token = mine OR x.ends > then_) ORDER BY x.token
  LOOP
    IF (before > 0 AND NOT t.shared) OR coalesce(before >= t.most, false) THEN
      RETURN false;
    END IF;
    IF t.token = mine THEN
      RETURN true;
    END IF;
    IF NOT t.shared THEN
      RETURN false;
    END IF;
    before := before + 1;
  END LOOP;
  RETURN false;
END
$$`,

    // When a ticket that waits comes again: at its heartbeat, or when the lives in front end that keep it waiting.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_retry(ns bytea, k bytea, now bigint, mine bigint, shares boolean, waiter bigint)
RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  beat bigint := waiter / 3;
  front bigint;
  ends bigint[];
  low int := 1;
  high int;
  middle int;
BEGIN
  SELECT x.ends INTO front FROM ${s}.holdfast_tickets x
    WHERE x.namespace = ns AND x.key = k AND x.token < mine ORDER BY x.token DESC LIMIT 1;
  IF front - now >= beat THEN
    RETURN beat;
  END IF;
  IF NOT shares THEN
    SELECT max(x.ends) INTO front FROM ${s}.holdfast_tickets x
      WHERE x.namespace = ns AND x.key = k AND x.token < mine;
    RETURN least(beat, front - now);
  END IF;
  ends := ARRAY(SELECT x.ends FROM ${s}.holdfast_tickets x
    WHERE x.namespace = ns AND x.key = k AND x.token < mine AND x.ends - now < beat ORDER BY x.ends);
  high := cardinality(ends) + 1;
  WHILE low < high LOOP
    middle := (low + high) / 2;
    IF ${s}.holdfast_holds_after(ns, k, mine, ends[middle]) THEN
      high := middle;
    ELSE
      low := middle + 1;
    END IF;
  END LOOP;
  RETURN least(beat, ends[low] - now);
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_enter(ns bytea, k bytea, i text, known bigint, shares boolean, limited bigint,
  ttl bigint, waiter bigint, queued boolean, block int, people text, wire text)
RETURNS text LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  now bigint;
  last bigint;
  s record;
  t ${s}.holdfast_tickets;
  b record;
  mine boolean;
  before int;
BEGIN
  PERFORM ${s}.holdfast_durable();
  IF known IS NULL THEN
    -- Nobody is there. What stands behind DO UPDATE is evaluated under the row's lock.
    now := ${s}.holdfast_micros();
    INSERT INTO ${s}.holdfast_queues AS l
      (namespace, key, token_end, id, tokens, shared, most, about, channel, since, ends, life)
    VALUES (ns, k, now + block, i, block, shares, limited, people, wire, now, now + ttl, ttl)
    ON CONFLICT (namespace, key) DO UPDATE SET
      token_end = greatest(l.token_end, ${s}.holdfast_micros()) + block, id = i, tokens = block, shared = shares,
      most = limited, about = people, channel = wire, since = ${s}.holdfast_micros(),
      ends = ${s}.holdfast_micros() + ttl, life = ttl
      WHERE l.id IS NULL AND NOT l.crowded AND NOT l.forbids
    RETURNING l.token_end INTO last;
    IF FOUND THEN
      RETURN concat_ws(' ', 'holds', last - block, ttl, 0);
    END IF;
  END IF;
  SELECT * INTO s FROM ${s}.holdfast_take(ns, k, known IS NULL, i);
  IF NOT s.there THEN
    RETURN 'gone';
  END IF;
  IF s.forbids THEN
    SELECT f.reason, f.message INTO b FROM ${s}.holdfast_forbidden f
      WHERE f.namespace = ns AND f.key = k AND f.id = i;
    IF FOUND THEN
      RETURN concat_ws(' ', b.reason, b.message);
    END IF;
  END IF;
  SELECT * INTO t FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.id = i;
  IF NOT FOUND THEN
    IF known IS NOT NULL THEN
      RETURN 'gone';
    END IF;
    mine := s.amount = 0 OR (shares AND NOT s.exclusive AND s.holders = s.amount AND coalesce(s.amount < limited, true));
    IF NOT mine AND NOT queued THEN
      RETURN concat_ws(' ', 'refused', ${s}.holdfast_look(ns, k));
    END IF;
    t.token := greatest(s.token_end, s.now);
    t.life := CASE WHEN mine THEN ttl ELSE waiter END;
    t.ends := s.now + t.life;
    INSERT INTO ${s}.holdfast_tickets (namespace, key, ${TICKET})
    VALUES (ns, k, t.token, block, i, shares, limited, people, wire, s.now, CASE WHEN mine THEN s.now END, t.ends,
      t.life, CASE WHEN NOT mine THEN ttl END, false, NULL);
    UPDATE ${s}.holdfast_queues l SET token_end = t.token + block, crowded = true
      WHERE l.namespace = ns AND l.key = k;
    IF mine THEN
      RETURN concat_ws(' ', 'holds', t.token, ttl, 0);
    END IF;
    before := s.amount;
  ELSE
    IF t.kept THEN
      RETURN 'kept';
    END IF;
    IF t.revoked IS NOT NULL THEN
      RETURN concat_ws(' ', 'revoked', t.revoked);
    END IF;
    IF t.token <= s.edge THEN
      RETURN concat_ws(' ', 'holds', t.token, ${s}.holdfast_claim(ns, k, t, s.now, ttl), s.amount - s.holders);
    END IF;
    -- A poll that finds most of the life left changes nothing.
    IF t.ends - s.now <= waiter / 4 * 3 AND s.now + waiter > t.ends THEN
      t.ends := s.now + waiter;
      t.life := waiter;
      UPDATE ${s}.holdfast_tickets x SET ends = t.ends, life = t.life
        WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
    END IF;
    SELECT count(*) INTO before FROM ${s}.holdfast_tickets x
      WHERE x.namespace = ns AND x.key = k AND x.token < t.token;
  END IF;
  RETURN concat_ws(' ', 'waits', t.token, least(t.ends - s.now, t.life), before,
    ${s}.holdfast_retry(ns, k, s.now, t.token, shares, waiter));
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_renew_one(ns bytea, k bytea, i text, ttl bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  s record;
  t ${s}.holdfast_tickets;
  why text;
BEGIN
  SELECT * INTO s FROM ${s}.holdfast_take(ns, k, false, i);
  SELECT * INTO t FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.id = i;
  SELECT f.message INTO why FROM ${s}.holdfast_forbidden f
    WHERE s.forbids AND f.namespace = ns AND f.key = k AND f.id = i AND f.reason = 'revoked';
  IF coalesce(t.revoked, why) IS NOT NULL THEN
    RETURN concat_ws(' ', 'revoked', coalesce(t.revoked, why));
  END IF;
  IF t.id IS NULL OR t.kept OR t.token > s.edge THEN
    RETURN 'gone';
  END IF;
  RETURN concat_ws(' ', 'held', ${s}.holdfast_claim(ns, k, t, s.now, ttl), s.amount - s.holders);
END
$$`,

    // One that fails, or whose row somebody keeps, fails alone. `wanted`: [key in hexadecimal, id, ttl], sorted by key.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_renew(ns bytea, wanted text) RETURNS text
LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  one json;
  answer text;
  answers text[] := '{}';
BEGIN
  PERFORM ${s}.holdfast_durable();
  FOR one IN SELECT value FROM json_array_elements(wanted::json) LOOP
    BEGIN
      answer := ${s}.holdfast_renew_one(ns, decode(one ->> 0, 'hex'), one ->> 1, (one ->> 2)::bigint);
    EXCEPTION
      WHEN lock_not_available OR serialization_failure OR deadlock_detected THEN
        answer := 'busy';
      WHEN OTHERS THEN
        answer := 'failed ' || to_json(SQLERRM)::text;
    END;
    answers := answers || answer;
  END LOOP;
  RETURN array_to_string(answers, chr(10));
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_forbid(ns bytea, k bytea, i text, why text, said text, now bigint, lifespan bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO ${s}.holdfast_forbidden AS f (namespace, key, id, reason, message, until, life)
  VALUES (ns, k, i, why, said, now + lifespan, lifespan)
  ON CONFLICT (namespace, key, id) DO UPDATE SET reason = why, message = said, until = now + lifespan, life = lifespan;
  UPDATE ${s}.holdfast_queues l SET forbids = true WHERE l.namespace = ns AND l.key = k AND NOT l.forbids;
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_leave(ns bytea, k bytea, i text, keep bigint, forbid bigint)
RETURNS text LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  s record;
  t ${s}.holdfast_tickets;
  held boolean;
BEGIN
  PERFORM ${s}.holdfast_durable();
  IF keep = 0 AND forbid = 0 THEN
    -- It is alone. What is returned is evaluated under the row's lock.
    UPDATE ${s}.holdfast_queues l SET id = NULL WHERE l.namespace = ns AND l.key = k AND l.id = i
      RETURNING l.ends > ${s}.holdfast_micros() INTO held;
    IF FOUND THEN
      RETURN CASE WHEN held THEN 'held' ELSE 'absent' END;
    END IF;
  END IF;
  SELECT * INTO s FROM ${s}.holdfast_take(ns, k, forbid > 0, i);
  IF forbid > 0 THEN
    PERFORM ${s}.holdfast_forbid(ns, k, i, 'left', NULL, s.now, forbid);
  END IF;
  SELECT * INTO t FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.id = i;
  IF NOT FOUND OR t.kept THEN
    RETURN 'absent';
  END IF;
  held := t.token <= s.edge;
  IF held AND keep > 0 THEN
    UPDATE ${s}.holdfast_tickets x SET kept = true, ends = s.now + keep, life = keep
      WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
    RETURN 'held';
  END IF;
  DELETE FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
  IF s.amount = 1 THEN
    UPDATE ${s}.holdfast_queues l SET crowded = false WHERE l.namespace = ns AND l.key = k;
  ELSE
    PERFORM ${s}.holdfast_settle(ns, k, s.now, NULL);
  END IF;
  RETURN CASE WHEN held THEN 'held' ELSE 'waiting' END;
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_revoke(ns bytea, k bytea, which text, named bigint, why text, at_once boolean)
RETURNS text LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  s record;
  t record;
  revoked int := 0;
  removed int := 0;
BEGIN
  PERFORM ${s}.holdfast_durable();
  SELECT * INTO s FROM ${s}.holdfast_take(ns, k, false, NULL);
  FOR t IN SELECT * FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k ORDER BY x.token LOOP
    CONTINUE WHEN NOT CASE which WHEN 'all' THEN true WHEN 'holders' THEN t.token <= s.edge
      ELSE t.token <= named AND named < t.token + t.tokens END;
    revoked := revoked + 1;
    IF t.channel IS NOT NULL THEN
      PERFORM pg_notify(t.channel, 'r ' || t.token || ' ' || left(why, ${REASON_TOLD}) || chr(10) || encode(k, 'base64'));
    END IF;
    IF t.token <= s.edge AND NOT at_once THEN
      UPDATE ${s}.holdfast_tickets x SET revoked = why
        WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
    ELSE
      DELETE FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
      PERFORM ${s}.holdfast_forbid(ns, k, t.id, 'revoked', why, s.now, greatest(t.life, ${REVOKED}));
      removed := removed + 1;
    END IF;
  END LOOP;
  IF removed > 0 AND removed = s.amount THEN
    UPDATE ${s}.holdfast_queues l SET crowded = false WHERE l.namespace = ns AND l.key = k;
  ELSIF removed > 0 THEN
    PERFORM ${s}.holdfast_settle(ns, k, s.now, NULL);
  END IF;
  RETURN revoked::text;
END
$$`,

    // The queue nearly as store/record.ts reads it, and the clock that was read after it. Changes nothing.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_look(ns bytea, k bytea) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
  SELECT json_build_object('layout', 1, 'end', l.token_end,
    'tickets', coalesce((SELECT json_agg(json_build_object('id', t.id, 'token', t.token, 'tokens', t.tokens,
        'about', t.about, 'mode', CASE WHEN t.shared THEN 'shared' ELSE 'exclusive' END,
        'limit', t.most, 'enteredAt', t.entered / 1e3, 'heldAt', t.held / 1e3, 'expiresAt', t.ends / 1e3, 'lifeMs', t.life / 1e3,
        'claimMs', t.claim / 1e3, 'kept', t.kept, 'revoked', t.revoked) ORDER BY t.token)
      FROM (SELECT ${TICKET} FROM ${s}.holdfast_tickets x WHERE x.namespace = l.namespace AND x.key = l.key
        UNION ALL SELECT l.token_end - l.tokens, l.tokens, l.id, l.shared, l.most, l.about, l.channel, l.since, l.since,
          l.ends, l.life, NULL, false, NULL WHERE l.id IS NOT NULL) AS t), '[]'::json),
    'forbidden', coalesce((SELECT json_agg(json_build_object('id', f.id, 'reason', f.reason,
        'message', f.message, 'until', f.until / 1e3, 'lifeMs', f.life / 1e3))
      FROM ${s}.holdfast_forbidden f WHERE f.namespace = l.namespace AND f.key = l.key), '[]'::json),
    'now', ${s}.holdfast_micros())::text
  FROM ${s}.holdfast_queues l WHERE l.namespace = ns AND l.key = k
$$`,

    // Locks that somebody is in, in the order of their keys: [key in base64, queue].
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_list(ns bytea, low bytea, high bytea, size int) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
  SELECT json_build_array(encode(l.key, 'base64'), ${s}.holdfast_look(l.namespace, l.key)::json)::text
  FROM ${s}.holdfast_queues l
  WHERE l.namespace = ns AND l.key >= low AND l.key < high AND (l.id IS NOT NULL OR l.crowded)
  ORDER BY l.key LIMIT size
$$`,

    // Of the next `size` locks after this one, those go that nobody is in and whose tokens the clock has long passed.
    // Gives the last that was looked at, [namespace, key] in hexadecimal; nothing: that were all.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_sweep(after_space text, after_key text, size int) RETURNS text
LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  now bigint := ${s}.holdfast_micros();
  l record;
  seen int := 0;
  last text;
BEGIN
  FOR l IN SELECT x.namespace, x.key, x.token_end FROM ${s}.holdfast_queues x
    WHERE (x.namespace, x.key) > (decode(after_space, 'hex'), decode(after_key, 'hex'))
    ORDER BY x.namespace, x.key LIMIT size
  LOOP
    seen := seen + 1;
    last := json_build_array(encode(l.namespace, 'hex'), encode(l.key, 'hex'))::text;
    CONTINUE WHEN l.token_end > now - ${REMEMBER};
    PERFORM FROM ${s}.holdfast_queues x WHERE x.namespace = l.namespace AND x.key = l.key
      AND x.token_end <= now - ${REMEMBER} AND (x.id IS NULL OR x.ends <= now) FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND
      OR EXISTS (SELECT FROM ${s}.holdfast_tickets t WHERE t.namespace = l.namespace AND t.key = l.key AND t.ends > now)
      OR EXISTS (SELECT FROM ${s}.holdfast_forbidden f WHERE f.namespace = l.namespace AND f.key = l.key AND f.until > now);
    DELETE FROM ${s}.holdfast_tickets t WHERE t.namespace = l.namespace AND t.key = l.key;
    DELETE FROM ${s}.holdfast_forbidden f WHERE f.namespace = l.namespace AND f.key = l.key;
    DELETE FROM ${s}.holdfast_queues x WHERE x.namespace = l.namespace AND x.key = l.key;
  END LOOP;
  RETURN CASE WHEN seen = size THEN last END;
END
$$`,
  ]
}
