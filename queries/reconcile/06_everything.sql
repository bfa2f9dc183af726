-- Everything is judged: what was judged before is put away, and remembered as history needs it.
drop table if exists attributed;
drop table if exists candidate;
drop table if exists link;
drop table if exists control_result;
drop table if exists attempt;
create table if not exists change (change_id varchar, verdict varchar, reason varchar, actor varchar, deployment_id varchar, exemption_id varchar);
alter table change rename to change_before;

-- What is judged; and of what was judged before, none stands any more.
create or replace temporary view to_judge as from told_change;
create or replace temporary table change_again (change_id varchar);
create or replace temporary table control_again (deployment_id varchar);
