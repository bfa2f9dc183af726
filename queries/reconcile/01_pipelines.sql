-- How pipelines are spelt, and which services each releases. In the name of a pipeline spaces and case say nothing: whoever
-- writes it, it has one spelling, that of the first service that names it, else of the first identity that is declared for
-- it, else the first by the alphabet of those that were told. Here it is given; all that is compared later has it.
create or replace temporary table pipeline_spelling as
with
named as (
    select trimmed(unnest(pipelines)) as pipeline, 1 as rank, place from config_service
    union all
    select trimmed(pipeline), 2, position from config_pipeline_identity
    union all
    select pipeline, 3, 0 from (select pipeline from deployment_version union select pipeline from stage_version)
)
select lower(pipeline) as folded, arg_min(pipeline, (rank, place, pipeline)) as pipeline from named group by lower(pipeline);

-- Which services a pipeline releases. Where several name it a record may say which of them; else it is the first.
create or replace table config_pipeline as
select s.pipeline, c.service, row_number() over (partition by s.pipeline order by min(c.place), c.service) = 1 as is_first
from (select place, service, unnest(pipelines) as pipeline from config_service) c
join pipeline_spelling s on s.folded = lower(trimmed(c.pipeline))
group by s.pipeline, c.service;

update config_pipeline_identity set pipeline = s.pipeline
from pipeline_spelling s
where s.folded = lower(trimmed(config_pipeline_identity.pipeline));
update config_pipeline_key set pipeline = s.pipeline
from pipeline_spelling s
where s.folded = lower(trimmed(config_pipeline_key.pipeline));
