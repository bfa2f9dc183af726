-- What the log of the made-up content system means. Sees raw(source, record_id, occurred_at, record, …).

-- emits: change
with r as (
    select record_id, occurred_at, from_json(record, '{"who": "VARCHAR", "type": "VARCHAR", "what": "VARCHAR", "item": "VARCHAR", "version": "VARCHAR", "by_hand": "BOOLEAN"}') as t
    from raw
)
select
    record_id, occurred_at,
    'content.' || t.what as action,
    t.what as operation,
    'cms:' || t.item as resource,
    t.item as object,
    t.version as version,
    t.who as actor_name,
    t.type as actor_type,
    case when coalesce(t.by_hand, true) then 'content-editor' else 'api' end as channel
from r;

-- emits: deployment
-- What one person wrote and another published.
with r as (
    select source, record_id, occurred_at, from_json(record, '{"who": "VARCHAR", "wrote": "VARCHAR", "item": "VARCHAR", "version": "VARCHAR"}') as t
    from raw
)
select
    record_id,
    source || ':' || t.item || '@' || t.version as deployment_id,
    'cms' as pipeline, t.version as version, 'publish' as stage, 'manual' as trigger,
    t.wrote as requested_by, [t.wrote] as authors, occurred_at as started_at, occurred_at as finished_at, 'succeeded' as outcome,
    [{'phase': 'pre', 'decision': 'approved', 'approver': t.who, 'decided_at': occurred_at, 'automated': false, 'gated': true, 'comment': null::varchar}] as approvals,
    ['cms:' || t.item || '@' || t.version] as items
from r
where t.wrote <> t.who;
