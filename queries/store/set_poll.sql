-- How a poll ended. A source that was read to its end has been read through up to the time of the poll.
insert or replace into poll
select $source, $now,
       case when $error is null then $now else (select complete_at from poll where source = $source) end,
       case when $error is null then $now else (select read_through from poll where source = $source) end,
       $error;
