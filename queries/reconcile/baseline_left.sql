-- How many findings that a baseline accepts are left, of how many that lie before it; no row without a baseline.
select
    count(*) filter (where f.status = 'baseline') as left_over,
    count(*) as accepted
from (select max(until) as until from baseline_standing where invalid is null) b
join finding f on f.happened_at < b.until and f.status in ('baseline', 'resolved')
having max(b.until) is not null;
