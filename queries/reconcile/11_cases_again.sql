-- Cases of the changes that were judged again, as they are now and as they were: the others stand.
create or replace temporary table case_again as
select case_id from change_before
union
select case_id from change where change_id in (from change_again);

create or replace temporary view change_of_case as from change semi join case_again using (case_id);
