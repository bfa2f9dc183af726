-- With which batch a release record came, or a pipeline's definition: what was told later is the latest, wherever it stands.
alter table deployment_version add column batch_id bigint;
alter table stage_version add column batch_id bigint;
