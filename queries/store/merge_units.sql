-- Each unit as it stands after this commit: the last part says what it is, the first reading when it was met.
create or replace temporary table merged_unit as
select i.unit,
       arg_max(i.etag, i.part) as etag,
       max(i.size) as size,
       max(i.sha256) as sha256,
       min(i.window_start) as window_start,
       max(i.window_end) as window_end,
       bool_or(i.complete) as complete,
       max(i.incomplete) as incomplete,
       coalesce(min(u.first_batch), $batch_id) as first_batch
from incoming_unit i
left join unit u on u.source = $source and u.unit = i.unit
group by i.unit;
