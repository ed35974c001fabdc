/** To enter: attempt, retry, claim, and the heartbeat of one that waits. */
import { SAFE, TICKET } from './parts.ts'

export function entering(s: string): readonly string[] {
  return [
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
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_retry(ns bytea, k bytea, now bigint, mine bigint, shares boolean,
  waiter bigint)
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

    // Nobody holds by a ticket that only comes to wait, so it need not wait for the disk. Whatever lets it hold later
    // does, and all before that is on the disk with it. Not if others have just come to hold by the same call.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_hasten(ns bytea, k bytea, now bigint, edge bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ${s}.holdfast_tickets x
    WHERE x.namespace = ns AND x.key = k AND x.token <= edge AND x.held = now) THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_enter(ns bytea, k bytea, i text, known bigint, shares boolean,
  limited bigint, ttl bigint, waiter bigint, queued boolean, block int, people text, wire text)
RETURNS text LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  now bigint;
  last bigint;
  s record;
  t ${s}.holdfast_tickets;
  b record;
  mine boolean;
  prolonged boolean := false;
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
  SELECT * INTO s FROM ${s}.holdfast_open(ns, k, known IS NULL, i, false);
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
  IF s.mine IS NULL THEN
    IF known IS NOT NULL THEN
      RETURN 'gone';
    END IF;
    mine := s.amount = 0
      OR (shares AND NOT s.exclusive AND s.holders = s.amount AND coalesce(s.amount < limited, true));
    IF NOT mine AND NOT queued THEN
      PERFORM ${s}.holdfast_hasten(ns, k, s.now, s.edge);
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
    SELECT * INTO t FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.token = s.mine;
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
      -- Its owner relies on that.
      prolonged := true;
      t.ends := s.now + waiter;
      t.life := waiter;
      UPDATE ${s}.holdfast_tickets x SET ends = t.ends, life = t.life
        WHERE x.namespace = ns AND x.key = k AND x.token = t.token;
    END IF;
    SELECT count(*) INTO before FROM ${s}.holdfast_tickets x
      WHERE x.namespace = ns AND x.key = k AND x.token < t.token;
  END IF;
  IF NOT prolonged THEN
    PERFORM ${s}.holdfast_hasten(ns, k, s.now, s.edge);
  END IF;
  RETURN concat_ws(' ', 'waits', t.token, least(t.ends - s.now, t.life), before,
    ${s}.holdfast_retry(ns, k, s.now, t.token, shares, waiter));
END
$$`,
  ]
}
