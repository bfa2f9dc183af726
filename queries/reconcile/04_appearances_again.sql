-- Appearances of which something else may be known than at the last judgement: who is behind the others stands. It is made of
-- their sign-ins, the roster, the configuration (which is the same, or everything would be judged) and what releases name.

-- Roles, applications and subjects that a release has come to name, or names no more.
create or replace temporary table other_name as
with
known as (from deployment semi join deployment_again using (deployment_id)),
now as (
    select unnest(roles) as value, 'role' as kind from known
    union
    select unnest(app_ids), 'application' from known
    union
    select unnest(subjects), 'subject' from known
),
before as (
    select unnest(roles) as value, 'role' as kind from deployment_before
    union
    select unnest(app_ids), 'application' from deployment_before
    union
    select unnest(subjects), 'subject' from deployment_before
)
(from now except from before)
union
(from before except from now);

insert into appearance_again
-- new, or behind it are other sign-ins, or one of these was followed anew
select a.appearance_id
from appearance a
left join appearance_session s using (appearance_id)
left join session_chain c on c.session_id = s.session_id
left join actor b on b.appearance_id = a.appearance_id
where b.appearance_id is null
   or s.session_id is distinct from b.session_id
   or coalesce(c.records, []) <> b.session_records
   or coalesce(s.several, false) <> (b.actor_reason is not distinct from 'several-sign-ins')
   or [lower(x) for x in coalesce(s.run_ids, [])] <> b.proven_run_ids
   or c.cut
   or s.session_id in (
       select session_id from (select session_id, unnest(records) as record_id from session_chain) semi join session_again using (record_id)
   )
union
-- a release names it that did not, or the other way round
select appearance_id from (select appearance_id, unnest(roles) as value from actor) semi join (from other_name where kind = 'role') using (value)
union
select appearance_id from (select appearance_id, unnest(applications) as value from actor) semi join (from other_name where kind = 'application') using (value)
union
select appearance_id
from (select appearance_id, unnest(subject_spellings(subject)) as value from actor where root_type = 'federated' and subject is not null)
semi join (from other_name where kind = 'subject') using (value)
union
-- somebody is known by another name
select appearance_id from appearance
where exists (from config_identity except from config_identity_before) or exists (from config_identity_before except from config_identity);

-- What was known of them, and of those that show themselves no more.
create or replace temporary table actor_before as
select * from actor where appearance_id in (from appearance_again) or appearance_id not in (select appearance_id from appearance);

create or replace temporary table appearance_pipeline_before as
select * from appearance_pipeline where appearance_id in (select appearance_id from actor_before);

delete from actor where appearance_id in (select appearance_id from actor_before);
delete from appearance_pipeline where appearance_id in (select appearance_id from actor_before);
