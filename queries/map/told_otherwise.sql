-- Notes which of the records in `{records}` were told in several ways; most that are told again are told the same.
insert into told_otherwise
select $source, $system, record_id
from raw_record
semi join {records} using (record_id)
where source = $source and record_id not in (select record_id from told_otherwise where source = $source)
group by record_id
having count(distinct hash) > 1;
