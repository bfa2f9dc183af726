-- Changes of each verdict, by kind of environment; the ones that need a look first.
select verdict,
       count(*) as changes,
       count(*) filter (where environment = 'live') as live,
       count(*) filter (where environment = 'preprod') as preprod,
       count(*) filter (where environment = 'dev') as dev,
       count(*) filter (where coalesce(environment, '') = '') as unmapped,
       count(*) filter (where state = 'provisional') as provisional
from change
group by verdict
order by list_position(
    ['manual', 'unapproved', 'unrecorded', 'unattributed', 'nonconforming', 'exempted', 'released', 'platform'], verdict
), verdict;
