/** To look, and to forget what nobody needs any more. */
import { micros } from '../names.ts'
import { SAFE, TICKET } from './parts.ts'

/** As long as a lock is remembered after the clock has passed its last token (see store/queue.ts). */
const REMEMBER = micros(86_400_000)

export function looking(s: string): readonly string[] {
  return [
    // The queue nearly as store/record.ts reads it, and the clock that was read after it. Changes nothing.
    `CREATE OR REPLACE FUNCTION ${s}.holdfast_look(ns bytea, k bytea) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
  SELECT json_build_object('layout', 1, 'end', l.token_end,
    'tickets', coalesce((SELECT json_agg(json_build_object('id', t.id, 'token', t.token, 'tokens', t.tokens,
        'about', t.about, 'mode', CASE WHEN t.shared THEN 'shared' ELSE 'exclusive' END,
        'limit', t.most, 'enteredAt', t.entered / 1e3, 'heldAt', t.held / 1e3,
        'expiresAt', t.ends / 1e3, 'lifeMs', t.life / 1e3,
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
      OR EXISTS (SELECT FROM ${s}.holdfast_forbidden f
        WHERE f.namespace = l.namespace AND f.key = l.key AND f.until > now);
    DELETE FROM ${s}.holdfast_tickets t WHERE t.namespace = l.namespace AND t.key = l.key;
    DELETE FROM ${s}.holdfast_forbidden f WHERE f.namespace = l.namespace AND f.key = l.key;
    DELETE FROM ${s}.holdfast_queues x WHERE x.namespace = l.namespace AND x.key = l.key;
  END LOOP;
  RETURN CASE WHEN seen = size THEN last END;
END
$$`,
  ]
}
