-- Deployments whose controls may come out otherwise than at the last judgement.

-- Where a control is excused that was not, or the other way round, its results on all subjects are made anew.
update run set everything = true
where exists (from excused except from excused_before) or exists (from excused_before except from excused);

create or replace temporary table control_again as
with
anew as (
    select service, release_key from deployment semi join deployment_again using (deployment_id)
    union
    select service, release_key from deployment_before
)
-- something else is known of it, or it is no more
select deployment_id from deployment_again
union
-- so it is of another deployment of its release, in pre-production perhaps
select deployment_id from deployment semi join anew using (service, release_key)
union
-- its pipeline may be defined otherwise now: before this run, or before the one that proved it
select deployment_id from deployment
where exists (from pipeline_stage except from pipeline_stage_before) or exists (from pipeline_stage_before except from pipeline_stage)
union
-- without a start a waiver is held against the time of the judgement
select deployment_id from deployment where started_at is null;

drop table pipeline_stage_before;
drop table excused_before;
