insert into quarantine
select distinct $source, raw.unit, raw.position::varchar, 'map',
       case
           when text_of(m.pipeline) is null then 'the definition names no pipeline'
           when m.problem is not null then m.problem
           else 'a stage of the definition has no name'
       end,
       raw.raw_hash, coalesce(raw.occurred_at, b.committed_at, $now)::date, 0, raw.record
from (
    select null::varchar as record_id, null::varchar as pipeline, null::varchar as stage, null::varchar as problem
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where text_of(m.pipeline) is null or text_of(m.stage) is null or m.problem is not null;
