-- The hash of a batch: what it stored, unit by unit in order, chained to the batch before.
with stored as (
    select 0 as kind, unit, position::varchar as place, position as sorted, record_id, hash, coalesce(received_hmac, '') as received
    from raw_record
    where batch_id = $batch_id
    union all
    select 1, unit, position, 0, stage, hash, error
    from quarantine
    where batch_id = $batch_id and stage = 'read'
),
units as (
    select
        kind, unit, count(*) as rows,
        sha256(string_agg(concat_ws(chr(31), place, record_id, hash, received), chr(30) order by sorted, place, record_id, hash)) as hash
    from stored
    group by kind, unit
)
select
    sha256($previous_hash || chr(30) || coalesce(string_agg(concat_ws(chr(31), kind, unit, hash), chr(30) order by kind, unit), '')) as hash,
    coalesce(sum(rows) filter (where kind = 0), 0)::bigint as records
from units;
