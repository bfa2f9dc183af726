-- Changes that are linked to a release which stands otherwise than at the last judgement have to be judged again, too.
create or replace temporary table judge_too as
select change_id
from link
semi join (
    select deployment_id from (from deployment_standing except from deployment_standing_before)
    union
    select deployment_id from (from deployment_standing_before except from deployment_standing)
) using (deployment_id)
anti join change_again using (change_id);

insert into change_again from judge_too;
insert into to_judge from told_change semi join judge_too using (change_id);
insert into attributed_to_judge from attributed semi join judge_too using (change_id);
insert into candidate_to_judge from candidate semi join judge_too using (change_id);
insert into link_to_judge from link semi join judge_too using (change_id);

-- The verdicts as they were: what becomes of them is history.
create table change_before as
select change_id, verdict, reason, actor, deployment_id, exemption_id, case_id from change semi join change_again using (change_id);

drop table deployment_standing_before;
