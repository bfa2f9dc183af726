-- Of the records that tell of one change: it corrects what another said.
alter table event add column corrects boolean;
