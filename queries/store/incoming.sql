-- What a commit brings, before it is known which of it is new; the records themselves stay where they are.
create temporary table if not exists incoming_record (
    place bigint, record_id varchar, hash varchar, occurred_at timestamp, day date, unit varchar, position bigint
);
create temporary table if not exists incoming_unit (
    unit varchar, etag varchar, size bigint, sha256 varchar, window_start timestamp, window_end timestamp,
    part bigint, complete boolean, incomplete varchar
);
create temporary table if not exists incoming_read (unit varchar, day date, reads bigint);
create temporary table if not exists incoming_quarantine (unit varchar, position varchar, error varchar, hash varchar, day date, record varchar);
delete from incoming_record;
delete from incoming_unit;
delete from incoming_read;
delete from incoming_quarantine;
