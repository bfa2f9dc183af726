-- What was tried and failed: no change, but told.

-- keeps: attempt
select
    e.change_id, e.occurred_at, e.source, e.system, a.service, a.environment, a.actor, a.actor_kind,
    case when a.actor_kind = 'pipeline' then 'pipeline' when a.actor_kind = 'platform' then 'service' else e.channel end as channel,
    e.action, e.resource, coalesce(e.error, '') as error, e.record_id
from to_judge e
join attributed_to_judge a using (change_id)
where e.outcome = 'failed';
