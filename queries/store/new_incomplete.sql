-- Units that cannot be read to their end and that no earlier run has met in this state. A file that the
-- system does not give has no etag, and is told as often as it is asked for: nobody knows what is in it.
select i.unit, max(i.incomplete)
from incoming_unit i
where i.incomplete is not null
  and not exists (
    from unit u where u.source = $source and u.unit = i.unit and u.etag = i.etag and (i.etag <> '' or i.window_start is not null) and u.incomplete is not null
  )
group by i.unit
order by i.unit;
