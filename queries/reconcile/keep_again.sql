-- Keeps what the rules say of what is judged again, in the place of what they said before; what comes later goes by that
-- alone. `{of}` is what they speak of: change, deployment, appearance or case.
create or replace temporary table {relation}_to_judge as
{select};
delete from {relation} where {of}_id in (from {of}_again);
insert into {relation} from {relation}_to_judge;
