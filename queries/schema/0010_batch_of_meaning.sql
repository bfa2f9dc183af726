-- With which batch the record came that means this: what is new is found without a look at what is old.
alter table event add column batch_id bigint;
alter table session add column batch_id bigint;
