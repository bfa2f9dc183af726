-- When what the controls judge was done, changes too, now that they have verdicts.
create or replace temporary view act as
select 'deployment' as subject_kind, deployment_id as subject_id, started_at as acted_at from deployment
union all
select 'change', change_id, occurred_at from change;
