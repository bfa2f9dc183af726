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
       coalesce(min(u.first_batch), $batch_id) as first_batch,
       -- in this state nobody has been told of it. A file that the system does not give has no etag, and is told as often as it
       -- is asked for: nobody knows what is in it
       bool_or(i.incomplete is not null and (
           u.incomplete is null or u.untold or u.etag <> i.etag or (i.etag = '' and i.window_start is null)
       )) as untold
from incoming_unit i
left join unit u on u.source = $source and u.unit = i.unit
group by i.unit;
