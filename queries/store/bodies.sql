-- What was last stored under each id, in the order asked.
with asked as (
    select record_id, row_number() over () as place
    from (select unnest(from_json($ids, '["VARCHAR"]')) as record_id)
),
latest as (
    select record_id, arg_max(record, (batch_id, unit, position)) as record
    from raw_record
    semi join asked using (record_id)
    where source = $source
    group by record_id
)
select l.record
from asked a
left join latest l using (record_id)
order by a.place;
