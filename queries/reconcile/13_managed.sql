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
    select change_id, lower(resource) as name from change
    union
    select change_id, list_last(regexp_split_to_array(lower(resource), '[/:]')) from change where regexp_matches(lower(resource), '[/:][a-z]+-[0-9a-f]{8,}$')
)
select t.change_id, n.state, n.address, max(n.applied_at) as applied_at
from touched t
join name n using (name)
group by t.change_id, n.state, n.address;
