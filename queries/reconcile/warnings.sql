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
select 'source `' || source || '` is not in the configuration any more; what it told is judged all the same, as it was configured last: '
    || string_agg(told || ' ' || what, ', ' order by what) || '; if it was renamed, give it its old name'
from (
    select source, 'changes' as what, count(*) as told from change group by source
    union all
    select source, 'deployments', count(distinct deployment_id) from deployment_version group by source
    union all
    select source, 'decisions', count(*) from approval_version group by source
    union all
    select source, 'sign-ins', count(*) from session group by source
)
-- what is pushed comes from no source that could be configured
where source not in (select name from config_source) and source <> 'record'
group by source
union all
-- as report coverage counts them: what could not be read once, and was read since, is not set aside any more
select sum(records) || ' records of source `' || source || '` are set aside; see report coverage and table quarantine'
from (
    select source, sum(quarantined) as records from unit_count group by source
    union all
    select source, count(distinct (unit, position)) from quarantine where stage = 'map' group by source
)
group by source
having sum(records) > 0
order by warning;
