-- What each content of a record that was told in several ways means by itself: known by its hash.
create or replace temporary table meant_event as from event limit 0;
create or replace temporary table meant_session as from session limit 0;
