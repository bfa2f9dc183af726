-- A control that says `each: change` sees the changes that are judged: what it says of one follows from that one alone.
with change as (from change_to_judge)
from (
{control}
)
