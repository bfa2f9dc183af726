-- When an operation was over, where its record tells of an end: a beginning that was not seen does not leave it open.
alter table event add column ended_at timestamp;
