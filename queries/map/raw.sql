-- What a mapping sees of its source, a view, no copy: the records stay where they are. A unit of a described connector is
-- STREAM/ITEM/WINDOW; other units have parts of their own, which no mapping of theirs asks for.
create or replace temporary view raw as
select
    r.source,
    split_part(r.unit, '/', 1) as stream,
    -- what is gone is told for all items at once: it was this one's before
    coalesce(nullif(url_decode(split_part(r.unit, '/', 2)), '-'), p.item) as item,
    r.record_id, coalesce(r.occurred_at, p.seen_at) as occurred_at, r.unit, r.position, r.batch_id, r.hash as raw_hash, r.record,
    p.record as previous, p.seen_at, p.other_at,
    is_tombstone(r.record_id) as deleted,
    -- an inventory that was interrupted and begun again may find what has changed since: that was something before
    ends_with(r.unit, '/first') and p.record is null as first
from {records} r
left join previous_record p on p.record_id = r.record_id
{left_out}where r.source = $source and r.batch_id > $after_batch and r.batch_id <= $through_batch{only};
