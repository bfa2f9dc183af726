-- Everything is made out anew: what is otherwise kept from one judgement to the next is put away.
drop table if exists session_hop;
drop table if exists actor;
drop table if exists appearance_pipeline;
