-- A record that tells of several changes, of which the mapping does not say which is which: each is known by what was done
-- to what. Else all but one would be lost.
update event e
set change_key = e.change_key || '|' || e.action || '|' || e.resource,
    change_id = case when e.category = 'change' then change_id(e.system, e.change_key || '|' || e.action || '|' || e.resource) end
from (
    select record_id
    from event
    where source = $source and batch_id > $after_batch and change_key = source || ':' || record_id
    group by record_id
    having count(*) > 1
) several
where e.source = $source and e.batch_id > $after_batch and e.record_id = several.record_id and e.change_key = e.source || ':' || e.record_id;
