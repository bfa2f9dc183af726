-- What the records tell of that are mapped in this run: asked when that is done, and of a source that is mapped from the
-- beginning also before what they meant is forgotten. Where everything is judged, nobody asks.
insert into touched
select change_id
from event
where source = $source and batch_id > $after_batch and change_id is not null and (select not everything from run);

insert into appearance_touched
select distinct appearance_id
from event
where source = $source and batch_id > $after_batch and category = 'change' and (select not everything from run);

insert into session_touched
select system, issued_key, shared_key, credential
from session
where source = $source and batch_id > $after_batch and (select not everything from run);

insert into deployment_touched
select deployment_id
from deployment_version
where source = $source and record_id in (select record_id from raw) and (select not everything from run);

insert into decision_touched
select kind, value
from decision
where source = $source and record_id in (select record_id from raw) and (select not everything from run);
