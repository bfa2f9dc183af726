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
