-- title: Coverage foots
-- description: Records handed over that are neither stored nor counted as duplicates, by source and unit.
select c.source, c.unit, sum(c.kept) as kept, sum(c.duplicates) as duplicates, (
    select count(*) from raw_record r where r.source = c.source and r.unit = c.unit
) as stored
from unit_count c
group by c.source, c.unit
having sum(c.kept) - sum(c.duplicates) <> (select count(*) from raw_record r where r.source = c.source and r.unit = c.unit)
order by c.source, c.unit;
