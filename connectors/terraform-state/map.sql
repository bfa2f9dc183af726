-- What a Terraform state manages. Sees raw(source, record_id, occurred_at, unit, position, record): one record for each
-- version of each state, without any value.

-- emits: managed_resource
with
resource as (
    select
        record_id, occurred_at, record->>'$.state' as state, (record->>'$.serial')::bigint as serial,
        unnest(from_json(json_extract(record, '$.resources'), '[{"address": "VARCHAR", "type": "VARCHAR", "id": "VARCHAR", "arn": "VARCHAR"}]')) as r
    from raw
)
select record_id, state, serial, occurred_at as applied_at, r.address as address, r.type as resource_type, r.id as resource_id, r.arn as arn
from resource;
