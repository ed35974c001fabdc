/** The beginning of every verb: the lock's row, then the clock, then out with what has run out; and who holds then. */
import { micros } from '../names.ts'
import { TICKET } from './parts.ts'

/** An end farther away than that tells of a clock that was set back (see store/queue.ts). */
const TOLERANCE = micros(1_000)
/** Messages of NOTIFY have at most 8,000 bytes, and tokens sixteen digits. */
const TOKENS_TOLD = 200

export function taking(s: string): readonly string[] {
  return [
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_micros() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::bigint
$$`,

    // Walks the rule: marks and tells who holds since now, but for `me`, who gets the answer. `quiet`: just walks.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_settle(ns bytea, k bytea, now bigint, me text, quiet boolean,
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
    IF t.held IS NULL AND NOT quiet THEN
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
    // `quiet`: who holds since now is neither marked nor told yet, since it may be taken out. `mine`: the token of the
    // ticket of `me`.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_open(ns bytea, k bytea, make boolean, me text, quiet boolean,
  OUT there boolean, OUT now bigint, OUT token_end bigint, OUT forbids boolean,
  OUT amount int, OUT mine bigint, OUT holders int, OUT edge bigint, OUT exclusive boolean)
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
    SELECT count(*), min(x.ends), coalesce(bool_or(x.ends > now + x.life + ${TOLERANCE}), false),
        max(x.token) FILTER (WHERE x.id = me AND x.ends > now)
      INTO amount, first_end, stretched, mine
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
      SELECT * INTO holders, edge, exclusive FROM ${s}.holdfast_settle(ns, k, now, me, quiet);
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

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_forbid(ns bytea, k bytea, i text, why text, said text, now bigint,
  lifespan bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO ${s}.holdfast_forbidden AS f (namespace, key, id, reason, message, until, life)
  VALUES (ns, k, i, why, said, now + lifespan, lifespan)
  ON CONFLICT (namespace, key, id) DO UPDATE SET reason = why, message = said, until = now + lifespan, life = lifespan;
  UPDATE ${s}.holdfast_queues l SET forbids = true WHERE l.namespace = ns AND l.key = k AND NOT l.forbids;
END
$$`,
  ]
}
