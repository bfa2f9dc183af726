-- What Terraform manages now, and which changes touched it: resources of the latest version of each state, under each name
-- by which an audit trail may call them.
create or replace table managed_resource as
with latest as (
    select source, state, arg_max(record_id, (applied_at, serial, record_id)) as record_id
    from managed_version group by source, state
)
select m.source, m.state, m.serial, m.applied_at, m.address, m.resource_type, m.resource_id, m.arn
from managed_version m
join latest using (source, state, record_id);

create or replace table managed_change as
with
name as (
    select state, address, applied_at, lower(arn) as name from managed_resource where arn is not null
    union
    select state, address, applied_at, lower(resource_id) from managed_resource where resource_id is not null and (arn is null or contains(resource_id, '/') or regexp_matches(resource_id, '^[a-z]+-[0-9a-f]{8,}$'))
),
touched as (
    -- by the whole name, or by the id that ends it: sg-0123… is nobody else's
    select c.change_id, n.state, n.address, n.applied_at
    from change c join name n on n.name = lower(c.resource)
    union all
    select c.change_id, n.state, n.address, n.applied_at
    from change c join name n on n.name = regexp_extract(lower(c.resource), '[/:]([a-z]+-[0-9a-f]{8,})$', 1)
    where n.name <> ''
)
select change_id, state, address, max(applied_at) as applied_at
from touched
group by change_id, state, address;
