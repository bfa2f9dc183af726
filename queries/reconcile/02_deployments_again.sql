-- Deployments of which something else may be known than at the last judgement: the others stand. They are made of their
-- records, of decisions that are told of them, and of the configuration, which is the same, or everything would be judged.

insert into deployment_again
-- a record of it was mapped, or forgotten
select deployment_id from deployment_touched
union
-- so was a decision that names it, or a key of it
select deployment_id from deployment_key semi join decision_touched using (kind, value)
union
-- whose a key is that it names, by which a decision is found, another's record may say now, or says no more
select deployment_id from deployment_key semi join (
    select kind, value from decision semi join (
        select kind, value from deployment_key semi join deployment_touched using (deployment_id)
        union
        select unnest(list_concat(
            [
                {'kind': 'release', 'value': lower(coalesce(v.release_id, v.deployment_id))},
                {'kind': 'commit', 'value': lower(v.commit_sha)}, {'kind': 'url', 'value': v.url}
            ],
            [{'kind': 'run', 'value': lower(x)} for x in v.run_ids], [{'kind': 'ticket', 'value': lower(x)} for x in v.tickets]
        ), recursive := true)
        from deployment_version v semi join deployment_touched using (deployment_id)
    ) using (kind, value)
) using (kind, value)
union
-- it runs, and may have run too long by now; or the end that its record told beforehand has come
select deployment_id from deployment where started_at is not null and finished_at is null
union
-- its pipeline is spelt otherwise: a record that says so came, or is no more
select d.deployment_id from deployment d join pipeline_spelling s on s.folded = lower(d.pipeline) where s.pipeline <> d.pipeline
union
-- somebody is known by another name, or has another role: members of groups come and go without the configuration
select deployment_id from deployment
where exists (from config_identity except from config_identity_before) or exists (from config_identity_before except from config_identity)
   or exists (from config_role except from config_role_before) or exists (from config_role_before except from config_role);

-- What a pipeline says about itself may be a copy of what somebody vouches for: those of one run are made out together.
insert into deployment_again
select distinct other.deployment_id
from (select deployment_id, lower(unnest(list_concat(run_ids, session_names))) as run_key from deployment_version) other
semi join (
    select lower(unnest(list_concat(run_ids, session_names))) as run_key from deployment_version semi join deployment_again using (deployment_id)
) again using (run_key)
where other.deployment_id not in (from deployment_again);

-- What was known of them.
create or replace temporary table deployment_before as from deployment semi join deployment_again using (deployment_id);
create or replace temporary table approval_before as from approval semi join deployment_again using (deployment_id);
