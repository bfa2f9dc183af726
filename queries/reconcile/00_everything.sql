-- Everything is made out anew: what is otherwise kept from one judgement to the next is put away.
drop table if exists told_twice;
drop table if exists change_appearance;
drop table if exists session_hop;
drop table if exists actor;
drop table if exists appearance_pipeline;
drop table if exists deployment;
drop table if exists approval;
drop table if exists authorisation_change;
drop table if exists unlinked_case;
