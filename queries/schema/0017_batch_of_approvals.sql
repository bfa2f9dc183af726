-- When a decision was first read: one that is told long after the release changes what was known of it.
alter table approval_version add column batch_id bigint;
