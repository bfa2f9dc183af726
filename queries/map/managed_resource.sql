-- A mapping's managed resources.
insert into managed_version
select $source, m.record_id, raw.raw_hash, m.state, m.serial, m.applied_at, m.address, m.resource_type, m.resource_id, m.arn
from (
    select
        null::varchar as record_id, null::varchar as state, null::bigint as serial, null::timestamp as applied_at,
        null::varchar as address, null::varchar as resource_type, null::varchar as resource_id, null::varchar as arn
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
where m.state is not null and m.address is not null;
