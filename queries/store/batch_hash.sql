-- The hash of a batch: what it stored, in order, chained to the batch before.
with stored as (
    select 0 as kind, unit, position::varchar as place, lpad(position::varchar, 20, '0') as sorted, record_id, hash, coalesce(received_hmac, '') as received
    from raw_record
    where batch_id = $batch_id
    union all
    select 1, unit, position, position, stage, hash, error
    from quarantine
    where batch_id = $batch_id and stage = 'read'
)
select sha256(
    $previous_hash || chr(30)
    || coalesce(string_agg(concat_ws(chr(31), unit, place, record_id, hash, received), chr(30) order by kind, unit, sorted, record_id, hash), '')
) as hash,
count(*) filter (where kind = 0) as records
from stored;
