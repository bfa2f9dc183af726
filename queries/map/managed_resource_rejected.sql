insert into quarantine
select distinct $source, raw.unit, raw.position::varchar, 'map',
       case when m.state is null then 'the resource is of no state' else 'the resource has no address' end,
       raw.raw_hash, coalesce(raw.occurred_at, b.committed_at, $now)::date, 0, raw.record
from (
    select null::varchar as record_id, null::varchar as state, null::varchar as address
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where m.state is null or m.address is null;
