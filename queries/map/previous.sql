-- For streams of objects: what each new record's object was before, and when this version was first seen, for most lists
-- say of an object how it is, not since when. An id is OBJECT@VERSION, and OBJECT@VERSION@TIME where it came back to what
-- it had been: then it was something else, or gone, still at `other_at`.
create or replace temporary table previous_record as
with
touched as (
    select distinct split_part(record_id, '@', 1) as object from raw_record where source = $source and batch_id > $after_batch
),
-- one row for each version: it may be told more than once, and its last content counts
version as (
    select record_id, split_part(record_id, '@', 1) as object,
           min({batch: batch_id, unit: unit, position: position}) as met, max({batch: batch_id, unit: unit, position: position}) as told
    from raw_record
    where source = $source and split_part(record_id, '@', 1) in (from touched)
    group by record_id
),
ordered as (
    select record_id, met,
           lag(record_id) over before_it as previous_id,
           lag(told) over before_it as previous_told,
           lag(met) over before_it as previous_met
    from version
    window before_it as (partition by object order by met)
)
select o.record_id, r.record, nullif(url_decode(split_part(r.unit, '/', 2)), '-') as item, b.committed_at as seen_at,
       case when len(string_split(o.record_id, '@')) = 3 then before.committed_at end as other_at
from ordered o
join batch b on b.batch_id = o.met.batch
left join batch before on before.batch_id = o.previous_met.batch
left join raw_record r
  on r.source = $source and r.record_id = o.previous_id
 and r.batch_id = o.previous_told.batch and r.unit = o.previous_told.unit and r.position = o.previous_told.position
 -- what was gone has nothing before it
 and not is_tombstone(o.previous_id)
where contains(o.record_id, '@');
