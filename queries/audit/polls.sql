-- When each source was last read to its end, why the last collection was not, and which of its parts could not be.
select
    p.source,
    p.complete_at,
    p.error,
    count(u.unit) as units,
    min(u.unit) as unit,
    arg_min(u.incomplete, u.unit) as why
from poll p
left join unit u on u.source = p.source and u.incomplete is not null
group by all
order by p.source;
