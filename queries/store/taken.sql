-- Incoming records whose id is taken: a record of another item has it, with other content. One would replace the other.
-- The item that had it first keeps it.
create or replace temporary table taken_record as
with incoming as (
    select i.place, i.record_id, i.hash, split_part(i.unit, '/', 2) as item
    from incoming_record i
    semi join (from incoming_unit where own_ids) u using (unit)
),
stored as (
    select r.record_id, r.hash, split_part(r.unit, '/', 2) as item, r.batch_id
    from raw_record r
    where r.source = $source and r.record_id in (select record_id from incoming)
),
owner as (
    select record_id, arg_min(item, {stored: batch_id, place: place}) as item
    from (
        select record_id, item, batch_id, 0 as place from stored
        union all
        select record_id, item, 9223372036854775807, place from incoming
    )
    group by record_id
),
own as (
    select record_id, hash from stored
    union
    select i.record_id, i.hash from incoming i semi join owner using (record_id, item)
)
select i.place, url_decode(o.item) as item
from incoming i
join owner o on o.record_id = i.record_id and o.item <> i.item
anti join own on own.record_id = i.record_id and own.hash = i.hash;
