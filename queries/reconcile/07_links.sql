-- Which deployment explains which change.

-- The link: an exact candidate settles what identity leaves open; of several at one tier the earliest is taken.
create or replace temporary view link_now as
with
several as (select change_id from candidate_to_judge where denied is null group by change_id having count(*) > 1),
ranked as (
    select
        *,
        count(*) over (partition by change_id, link_tier) as rivals,
        row_number() over (partition by change_id order by link_tier = 'exact' desc, started_at, deployment_id) as place
    from candidate_to_judge semi join several using (change_id)
    where denied is null
)
select change_id, deployment_id, link_tier, link_key, false as ambiguous from candidate_to_judge anti join several using (change_id) where denied is null
union all
select change_id, deployment_id, link_tier, link_key, rivals > 1 from ranked where place = 1;
