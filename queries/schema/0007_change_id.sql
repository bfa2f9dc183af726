-- What reports call a change stands in its record: hash of system and change_key, null for what is no change. Then most
-- changes need no row of their own beside it.
alter table event add column change_id varchar;

-- Now a view, and now only for the run that needs it.
drop table if exists told_change;
drop table if exists session_chain;
