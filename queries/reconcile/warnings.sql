-- What a person should know before trusting the figures.
select 'stage `' || stage || '` of pipeline `' || pipeline || '` has no environment: name it in the service''s `stages`' as warning
from (
    select distinct stage, pipeline from deployment where environment = ''
    union
    select distinct stage, pipeline from pipeline_stage where environment = ''
)
union all
select 'pipeline `' || pipeline || '` belongs to no service: name it in a service''s `pipelines`'
from (select distinct pipeline from deployment where service = '')
union all
select 'source `' || source || '` is not in the configuration any more, and its ' || count(*)
    || ' changes are judged all the same; if it was renamed, they count twice: give it its old name'
from change where source not in (select name from config_source)
group by source
union all
select count(*) || ' records of source `' || source || '` are set aside; see report coverage and table quarantine'
from quarantine group by source
order by warning;
