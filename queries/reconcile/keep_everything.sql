-- Keeps what the rules say of all that is judged; what comes later goes by the same.
create table {relation} as
{select};
create or replace temporary view {relation}_to_judge as from {relation};
