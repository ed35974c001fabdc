/** To renew, to leave, and to be made to leave. */
import { micros } from '../names.ts'
import { SAFE } from './parts.ts'

/** How long the id of a revoked waiter stays forbidden at least: its owner asks every few seconds. */
const REVOKED = micros(60_000)
/** Messages of NOTIFY have at most 8,000 bytes. */
const REASON_TOLD = 2_000

export function leaving(s: string): readonly string[] {
  return [
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_renew_one(ns bytea, k bytea, i text, ttl bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  s record;
  t ${s}.holdfast_tickets;
  why text;
BEGIN
  SELECT * INTO s FROM ${s}.holdfast_open(ns, k, false, i, false);
  SELECT * INTO t FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.token = s.mine;
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
  SELECT * INTO s FROM ${s}.holdfast_open(ns, k, forbid > 0, i, false);
  IF forbid > 0 THEN
    PERFORM ${s}.holdfast_forbid(ns, k, i, 'left', NULL, s.now, forbid);
  END IF;
  SELECT * INTO t FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k AND x.token = s.mine;
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
    PERFORM ${s}.holdfast_settle(ns, k, s.now, NULL, false);
  END IF;
  RETURN CASE WHEN held THEN 'held' ELSE 'waiting' END;
END
$$`,

    `CREATE OR REPLACE FUNCTION ${s}.holdfast_revoke(ns bytea, k bytea, which text, named bigint, why text,
  at_once boolean)
RETURNS text LANGUAGE plpgsql VOLATILE ${SAFE} AS $$
DECLARE
  s record;
  t record;
  revoked int := 0;
  removed int := 0;
BEGIN
  PERFORM ${s}.holdfast_durable();
  SELECT * INTO s FROM ${s}.holdfast_open(ns, k, false, NULL, true);
  FOR t IN SELECT * FROM ${s}.holdfast_tickets x WHERE x.namespace = ns AND x.key = k ORDER BY x.token LOOP
    CONTINUE WHEN NOT CASE which WHEN 'all' THEN true WHEN 'holders' THEN t.token <= s.edge
      ELSE t.token <= named AND named < t.token + t.tokens END;
    revoked := revoked + 1;
    IF t.channel IS NOT NULL THEN
      PERFORM pg_notify(t.channel,
        'r ' || t.token || ' ' || left(why, ${REASON_TOLD}) || chr(10) || encode(k, 'base64'));
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
  ELSIF s.amount > 0 THEN
    PERFORM ${s}.holdfast_settle(ns, k, s.now, NULL, false);
  END IF;
  RETURN revoked::text;
END
$$`,
  ]
}
