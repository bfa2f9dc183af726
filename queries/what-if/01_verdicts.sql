-- title: Verdicts
-- description: Changes that would be judged otherwise.
select c.occurred_at, h.change_id, coalesce(c.service, '') as service, coalesce(c.environment, '') as environment, coalesce(c.actor, h.actor) as actor, coalesce(c.action, '') as action,
       h.verdict as is_now, h.became as would_be, h.reason as reason_now, coalesce(c.reason, '') as would_be_reason
from verdict_history h
left join change c using (change_id)
order by c.occurred_at, h.change_id;
