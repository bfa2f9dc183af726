-- What is wrong with a text that has to be one SELECT; null if it is one.
with parsed as (select json_serialize_sql($sql::varchar)::json as tree)
select
    case
        when (tree->>'error')::boolean then coalesce(tree->>'error_message', 'it is no SELECT')
        when json_array_length(tree->'statements') <> 1 then 'it is more than one statement, or none'
    end as problem
from parsed;
