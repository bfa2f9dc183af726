-- Changes of which these records tell: asked before what they meant is forgotten, and again when they are mapped.
insert into touched
select e.change_id
from event e
cross join (from run where not everything)
where e.source = $source and e.change_id is not null and e.record_id in (select record_id from raw);
