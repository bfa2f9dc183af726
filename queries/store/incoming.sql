-- What a commit brings, before it is known which of it is new; the records themselves stay where they are.
create or replace temporary table incoming_record (
    place bigint, record_id varchar, hash varchar, occurred_at timestamp, day date, unit varchar, position bigint
);
create or replace temporary table incoming_unit (
    unit varchar, etag varchar, size bigint, sha256 varchar, window_start timestamp, window_end timestamp,
    part bigint, complete boolean, incomplete varchar, own_ids boolean, in_order boolean
);
create or replace temporary table incoming_read (unit varchar, day date, reads bigint);
create or replace temporary table incoming_quarantine (unit varchar, position varchar, error varchar, hash varchar, day date, record varchar);
