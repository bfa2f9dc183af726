-- The hash of a batch: the batch before, who brought it and when, and what it stored, unit by unit in order.
-- Whoever commits makes it of what it stores (src/store/chain.rs); this makes it again, from what is stored.
with stored as (
    select 0 as kind, source, unit, position::varchar as place, position as sorted, record_id, hash, coalesce(received_hmac, '') as received,
           coalesce(epoch_us(occurred_at)::varchar, '') as occurred
    from raw_record
    where batch_id = $batch_id
    union all
    select 1, source, unit, position, 0, stage, hash, error, day::varchar
    from quarantine
    where batch_id = $batch_id and stage = 'read'
),
units as (
    select
        kind, source, unit, count(*) as rows,
        sha256(string_agg(concat_ws(chr(31), place, record_id, hash, received, occurred), chr(30) order by sorted, place, record_id, hash)) as hash
    from stored
    group by kind, source, unit
)
select
    sha256(
        concat_ws(chr(30), $previous_hash, $batch_id::bigint, $source, coalesce($operator, ''), epoch_us($now::timestamp)) || chr(30)
        || coalesce(string_agg(concat_ws(chr(31), kind, source, unit, hash), chr(30) order by kind, source, unit), '')
    ) as hash,
    coalesce(sum(rows) filter (where kind = 0), 0)::bigint as records
from units;
