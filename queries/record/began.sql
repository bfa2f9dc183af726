-- Whether a record that was pushed before says when the deployment began.
select count(*) > 0
from raw_record
where source = 'record' and contains(record, 'started_at')
  and (record->>'$.id') = $id and (record->>'$.pipeline') = $pipeline and clock_time(record->>'$.started_at') is not null;
