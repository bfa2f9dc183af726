-- One row for each batch, to be filled with what its hash comes to when it is made again from what is stored.
create or replace temporary table recomputed (batch_id bigint, hash varchar, records bigint);
