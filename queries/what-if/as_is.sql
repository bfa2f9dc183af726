-- The copy as it is judged now, to be compared with.
create table finding_as_is as from finding;
delete from verdict_history;
