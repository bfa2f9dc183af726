-- An object that is again what it had been, or there again, says when and by whom it was made so the first time: somebody
-- has brought it back since, and who that was it does not say.
update event
set occurred_at = raw.seen_at, actor_type = 'unknown', actor_name = null, actor_role = null, session_name = null, session_key = null,
    session_started = null, source_identity = null, invoked_by = null,
    appearance_id = appearance(event.system, 'unknown', null, null, null, null, null, null, null, event.console)
from raw
where event.source = $source and event.batch_id > $after_batch and event.record_id = raw.record_id and event.raw_hash = raw.raw_hash
  and event.occurred_at <= raw.other_at;
