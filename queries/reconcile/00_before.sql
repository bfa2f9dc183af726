-- What was known at the last judgement, to be held against what is known now.
alter table initiated rename to initiated_before;
alter table put_together rename to put_together_before;
alter table part_of_another rename to part_of_another_before;
alter table deployment_standing rename to deployment_standing_before;
alter table pipeline_stage rename to pipeline_stage_before;
alter table excused rename to excused_before;
alter table config_identity rename to config_identity_before;
alter table config_role rename to config_role_before;
