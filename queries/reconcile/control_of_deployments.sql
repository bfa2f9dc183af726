-- A control that says `each: deployment` sees the deployments of which something else may be known, and their approvals: what
-- it says of one follows from the deployments of its release and their approvals, and of no other subject from any.
with
deployment as (from main.deployment semi join control_again using (deployment_id)),
approval as (from main.approval semi join control_again using (deployment_id))
from (
{control}
)
