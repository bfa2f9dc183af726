//! The roster from a file: `name,roles,identities`, several in one cell separated by `;`; with `from` and `to`, when the
//! person had the roles of that line. Who had others at other times has several lines.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;

use super::error::unknown_key;
use super::tables::Person;
use super::values::{Moment, Role, RoleName};

const COLUMNS: [&str; 5] = ["name", "roles", "identities", "from", "to"];

/// Reads a roster; what is wrong with it is one line of text, with the line in that file.
pub(super) fn read(path: &Path) -> Result<Vec<Person>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    parse(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Vec<Person>, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    for column in &header {
        if !COLUMNS.contains(&column) {
            return Err(format!("line 1: {}", unknown_key(column, &COLUMNS, "in the header")));
        }
    }
    let column = |name: &str| header.iter().position(|column| column == name);
    let (Some(name), Some(identities)) = (column("name"), column("identities")) else {
        return Err("line 1: the header must be name,roles,identities".to_owned());
    };
    let (roles, from, to) = (column("roles"), column("from"), column("to"));
    let mut people: Vec<Person> = Vec::new();
    let mut named: HashMap<String, Vec<usize>> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |index: usize| record.get(index).unwrap_or_default();
        if cell(name).is_empty() {
            return Err(format!("line {line}: a person without a name"));
        }
        let moment = |index: Option<usize>| match index.map(cell).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => Moment::deserialize(IntoDeserializer::<ValueError>::into_deserializer(text))
                .map(Some)
                .map_err(|error| format!("line {line}: {error}")),
        };
        let (from, to) = (moment(from)?, moment(to)?);
        let roles = parts(roles.map(cell).unwrap_or_default())
            .map(|role| parse_role(role, from, to).map_err(|error| format!("line {line}: {error}")))
            .collect::<Result<_, _>>()?;
        let identities = parts(cell(identities)).map(str::to_owned).collect();
        let person = Person { name: cell(name).to_owned(), roles, identities };
        // Two people may have one name, and one identity may stand with two by mistake: only both make them one.
        let of_that_name = named.entry(folded(&person.name)).or_default();
        let same =
            of_that_name.iter().find(|&&known| person.identities.iter().any(|identity| has(&people[known], identity)));
        if let Some(&known) = same {
            take_in(&mut people[known], person);
        } else {
            of_that_name.push(people.len());
            people.push(person);
        }
    }
    Ok(people)
}

fn has(person: &Person, identity: &str) -> bool {
    person.identities.iter().any(|known| folded(known) == folded(identity))
}

fn take_in(known: &mut Person, person: Person) {
    known.roles.extend(person.roles);
    for identity in person.identities {
        if !has(known, &identity) {
            known.identities.push(identity);
        }
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn parse_role(text: &str, from: Option<Moment>, to: Option<Moment>) -> Result<Role, String> {
    let role = RoleName::deserialize(IntoDeserializer::<ValueError>::into_deserializer(text))
        .map_err(|_| format!("`{text}` is no role; known are senior, manager"))?;
    Ok(Role { role, services: Vec::new(), from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_roster() {
        let people = parse(
            "\u{feff}name,roles,identities\nAlice Green,senior;manager,alice@example.org; agreen\nBo,,bo\n".as_bytes(),
        )
        .unwrap();
        assert_eq!(people.len(), 2);
        assert_eq!(people[0].roles.len(), 2);
        assert_eq!(people[0].identities, ["alice@example.org", "agreen"]);
        assert!(people[1].roles.is_empty());
        let dated = parse(
            b"name,roles,identities,from,to\nAlice,senior,alice,2026-01-01,2026-06-30T00:00:00Z\nBo,manager,bo,,\n",
        )
        .unwrap();
        let role = &dated[0].roles[0];
        assert_eq!((role.from.is_some(), role.to.is_some(), dated[1].roles[0].from), (true, true, None));
    }

    #[test]
    fn lines_of_one_person_are_a_history_of_roles() {
        let people = parse(
            "name,roles,identities,from,to\n\
             Alice Green,senior,alice@example.org,,2026-06-30\n\
             Bo,senior,bo,,\n\
             alice green,manager,agreen;ALICE@example.org,2026-07-01,\n\
             Bo,manager,bo@other.example,,\n"
                .as_bytes(),
        )
        .unwrap();
        let said: Vec<_> = people
            .iter()
            .map(|person| (person.name.as_str(), person.roles.len(), person.identities.join(";")))
            .collect();
        assert_eq!(
            said,
            [
                ("Alice Green", 2, "alice@example.org;agreen".to_owned()),
                ("Bo", 1, "bo".to_owned()),
                ("Bo", 1, "bo@other.example".to_owned()),
            ]
        );
        assert!(people[0].roles[0].to.is_some() && people[0].roles[1].from.is_some());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse(text.as_bytes()), Err(expected.to_owned()));
        };
        check("name,role,identities\n", "line 1: unknown key `role` in the header; did you mean `roles`?");
        check("name,roles\n", "line 1: the header must be name,roles,identities");
        check("name,roles,identities\nA,senior,a\nB,boss,b\n", "line 3: `boss` is no role; known are senior, manager");
        check("name,roles,identities\n,senior,a\n", "line 2: a person without a name");
        let error = parse(b"name,roles,identities,from\nA,senior,a,soon\n").unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}
