-- Which changes have to be judged again: those of which anything that a verdict is made of is not what it was at the last
-- judgement. What is known of actors, operations, releases and decisions has been made out anew by now, whole, and is held
-- against what was known before, so nothing has to be foreseen: a sign-in that came late shows as an actor who is another.
-- Rules, mappings and configuration are the same, or everything would be judged. What is not in this list keeps its verdict,
-- because it would get the same again.

-- Actors of whom something else is known: by sign-ins, or because a release names their role.
create or replace temporary table other_actor as
select appearance_id from (from actor_to_judge except from actor_before)
union
select appearance_id from (from actor_before except from actor_to_judge)
union
select appearance_id from (from appearance_pipeline_to_judge except from appearance_pipeline_before)
union
select appearance_id from (from appearance_pipeline_before except from appearance_pipeline_to_judge);

-- Deployments that are new, or of which something else is known: their record, or a decision on them.
create or replace temporary table other_deployment as
with
now as (from deployment semi join deployment_again using (deployment_id)),
decided as (from approval semi join deployment_again using (deployment_id))
select deployment_id from (from now except from deployment_before)
union
select deployment_id from (from deployment_before except from now)
union
select deployment_id from (from decided except from approval_before)
union
select deployment_id from (from approval_before except from decided);

-- Run ids that the log has come to know, or knows no more.
create or replace temporary table other_run as
with
now as (select distinct unnest(run_ids) as run_id from deployment semi join deployment_again using (deployment_id)),
before as (select distinct unnest(run_ids) as run_id from deployment_before)
(from now except from before)
union
(from before except from now);

-- Whether somebody is known by another name, or has another role: members of groups come and go without the configuration.
create or replace temporary table other_roll as
select true as other
where exists (from config_identity except from config_identity_before) or exists (from config_identity_before except from config_identity)
   or exists (from config_role except from config_role_before) or exists (from config_role_before except from config_role);

create or replace temporary table change_again as
-- a record tells of it that was mapped now, or told of it before
select change_id from touched
union
-- it is put together from other records, or from others in another way
select change_id from (from put_together except from put_together_before)
union
select change_id from (from put_together_before except from put_together)
union
select change_id from (from part_of_another except from part_of_another_before)
union
select change_id from (from part_of_another_before except from part_of_another)
union
-- somebody is known by another name, or has another role
select change_id from told_change cross join other_roll
union
-- it belongs to another operation
select change_id from (from initiated except from initiated_before)
union
select change_id from (from initiated_before except from initiated)
union
-- somebody else may be behind it
select change_id from attributed semi join other_actor using (appearance_id)
union
select change_id from attributed t semi join other_actor o on o.appearance_id = t.own_appearance_id
union
-- a release that could explain it did, or does now, something else; or it lies in the window of one that does
select change_id from candidate semi join other_deployment using (deployment_id)
union
select t.change_id
from attributed t
join (
    select service, environment, window_start, window_end,
           unnest(generate_series(
               date_trunc('hour', greatest(window_start, first_at)), date_trunc('hour', least(window_end, last_at)), interval 1 hour
           )) as hour
    from deployment semi join other_deployment using (deployment_id)
    cross join (select min(held_at) as first_at, max(held_at) as last_at from attributed)
    where ran
) d
  on d.service = t.service and d.environment = t.environment and d.hour = date_trunc('hour', t.held_at)
 and t.held_at between d.window_start and d.window_end
union
-- another deployment of the run of one that could explain it names other subjects, or did
select change_id
from candidate
semi join (
    select deployment_id
    from (select deployment_id, pipeline, unnest(run_ids) as run_id from deployment where len(subjects) > 0)
    semi join (
        select pipeline, unnest(run_ids) as run_id
        from (from deployment union all from deployment_before)
        where len(subjects) > 0 and deployment_id in (from other_deployment)
    ) using (pipeline, run_id)
) using (deployment_id)
union
-- the log has come to know its run
select change_id from (select change_id, unnest(proven_run_ids) as run_id from attributed) semi join other_run using (run_id)
union
-- it was not settled, or is not now
select change_id
from change
semi join (
    -- by what is narrow: of most it is long settled
    select c.rowid as place
    from change c
    join settled s using (system, source)
    cross join config_standard
    where c.state = 'provisional' or c.occurred_at + settle > s.through
) unsettled on change.rowid = unsettled.place;

create or replace temporary table to_judge as
with place as (
    -- by their ids alone, for the records are wide, and most are not judged
    select e.rowid as place from event e semi join change_again using (change_id) where e.category = 'change'
)
select * exclude (place) from told_change_placed semi join place using (place)
union all
from put_together semi join change_again using (change_id);

drop table config_identity_before;
drop table config_role_before;
drop table initiated_before;
drop table put_together_before;
drop table part_of_another_before;
