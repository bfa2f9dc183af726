-- Changes of which these records tell: asked before what they meant is forgotten, and again when they are mapped. Where
-- everything is judged, nobody asks.
insert into touched
select e.change_id
from event e
semi join (select record_id from raw where (select not everything from run)) r using (record_id)
where e.source = $source and e.change_id is not null;
