-- When each source was last read to its end.
select source, complete_at
from poll
order by source;
