-- title: Control
-- description: The control, the file of its rule, and what it serves.
-- param: finding_id text required  A finding_id
select c.control, c.title, st.standard, st.title as standard_title, st.version as standard_version, array_to_string(c."references", ', ') as "references", c.file as rule
from finding f
join control c using (control)
cross join standard st
where f.finding_id = $finding_id;
