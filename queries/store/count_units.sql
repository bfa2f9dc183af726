-- Counts of the units that came in. A unit that starts again replaces its counts, a further part adds to them.
create or replace temporary table counted as
with
first_place as (
    -- where each content is kept: a copy anywhere else is a duplicate
    select record_id, hash, unit, position from known_record
    union all
    select record_id, hash, unit, position
    from repeated_record i
    where not exists (from known_record k where k.record_id = i.record_id and k.hash = i.hash)
),
-- where the order of records counts none is a duplicate
came as (select *, unit in (select unit from incoming_unit where in_order) as in_order from incoming_record),
restarted as (select distinct unit from incoming_unit where part = 0),
parts as (
    select i.unit, i.day, count(*) as kept,
           -- what came in once and was not known is where it belongs
           count(*) filter (where f.unit is not null and (f.unit, f.position) <> (i.unit, i.position)) as duplicates,
           0 as reads, 0 as quarantined
    from came i left join first_place f on f.record_id = i.record_id and f.hash = i.hash and not i.in_order
    group by all
    union all
    select unit, day, 0, 0, sum(reads), 0 from incoming_read group by all
    union all
    select unit, day, 0, 0, 0, count(*) from incoming_quarantine group by all
    union all
    select c.unit, c.day, c.kept, c.duplicates, c.reads, c.quarantined
    from unit_count c
    where c.source = $source
      and c.unit in (select unit from incoming_unit)
      and c.unit not in (from restarted)
)
select unit, day, sum(kept)::bigint as kept, sum(duplicates)::bigint as duplicates, sum(reads)::bigint as reads,
       sum(quarantined)::bigint as quarantined
from parts
group by unit, day;
