-- Everything is judged: every case is put together.
create or replace temporary view change_of_case as from change;
