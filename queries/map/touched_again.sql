-- What records told of that came in again, asked before that is forgotten. Where everything is judged, nobody asks.
insert into touched
select change_id
from event
where source = $source and change_id is not null and record_id in (from retold) and (select not everything from run);

insert into appearance_touched
select distinct appearance_id
from event
where source = $source and record_id in (from retold) and category = 'change' and (select not everything from run);

insert into session_touched
select system, issued_key, shared_key, credential
from session
where source = $source and record_id in (from retold) and (select not everything from run);

insert into deployment_touched
select deployment_id
from deployment_version
where source = $source and record_id in (from retold) and (select not everything from run);

insert into decision_touched
select kind, value
from decision
where source = $source and record_id in (from retold) and (select not everything from run);
