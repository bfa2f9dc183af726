-- Notes which records were told in several ways: those in `{records}`.
insert into retelling
select distinct $source, $system, record_id
from {records}
where record_id not in (select record_id from retelling where source = $source);
