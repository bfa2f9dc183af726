-- How many statements a text has that are all SELECTs; null where one is not.
select json_array_length(json_serialize_sql($sql::varchar)::json->'statements');
