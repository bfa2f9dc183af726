-- Records that are mapped again with those that came in: what they meant before is forgotten.
create or replace temporary table retold as select distinct record_id from together;
