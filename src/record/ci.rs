//! A release record out of the environment of a pipeline's job.
//!
//! Which variable is which field is a table for each system. The surprising fact: a job does not know when it ends, so it
//! records itself twice, with the same id: when it starts, and when it is done.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// What the command line adds to what the environment says.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub stage: String,
    pub environment: Option<String>,
    pub service: Option<String>,
    pub pipeline: Option<String>,
    pub release: Option<String>,
    /// In the system's own words.
    pub outcome: Option<String>,
}

#[derive(Debug, Error)]
pub enum Error {
    #[error("this is no job of {known}")]
    NoPipeline { known: String },
    #[error("{system} does not say how the job went")]
    NoOutcome { system: &'static str },
    #[error("{system} does not say the job's {field}")]
    Missing { system: &'static str, field: &'static str },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoPipeline { .. } => "elsewhere write the record yourself: changetrail record FILE".to_owned(),
            Self::NoOutcome { .. } => "say --outcome running where it starts, and how it went where it ends".to_owned(),
            Self::Missing { .. } => "hand the variables of the job on to the step".to_owned(),
        })
    }
}

/// One system: how its jobs are recognised, and which of its variables say what. Of several templates the first whose
/// variables are all set counts; `{stage}` is the stage.
struct System {
    name: &'static str,
    marker: &'static str,
    fields: &'static [(&'static str, &'static [&'static str])],
    run_ids: &'static [&'static str],
    session_names: &'static [&'static str],
    subjects: &'static [&'static str],
    reason: &'static str,
    /// Words of `reason`; every other one means that it started by itself.
    triggers: &'static [(&'static str, &'static str)],
    /// Set where a person started this very job, whatever started the pipeline.
    by_hand: &'static str,
    status: &'static str,
    started: &'static str,
}

/// What Terraform sends with everything that it does to Azure, where the job sets it.
const CORRELATION_IDS: &[&str] = &["{ARM_CORRELATION_REQUEST_ID}"];

const SYSTEMS: &[System] = &[
    System {
        name: "GitHub Actions",
        marker: "GITHUB_ACTIONS",
        fields: &[
            ("id", &["github:{GITHUB_REPOSITORY}:{GITHUB_RUN_ID}:{stage}:{GITHUB_RUN_ATTEMPT}"]),
            ("release_id", &["{GITHUB_REPOSITORY}/{GITHUB_RUN_ID}"]),
            ("pipeline", &["{GITHUB_REPOSITORY}/{GITHUB_WORKFLOW}"]),
            ("version", &["{GITHUB_REF_NAME}-{GITHUB_RUN_NUMBER}"]),
            ("commit", &["{GITHUB_SHA}"]),
            ("requested_by", &["{GITHUB_TRIGGERING_ACTOR}", "{GITHUB_ACTOR}"]),
            ("url", &["{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"]),
        ],
        run_ids: &["{GITHUB_RUN_ID}"],
        session_names: &["gh-{GITHUB_RUN_ID}-{GITHUB_RUN_ATTEMPT}"],
        subjects: &["repo:{GITHUB_REPOSITORY}:environment:{stage}"],
        reason: "GITHUB_EVENT_NAME",
        triggers: &[("workflow_dispatch", "manual"), ("repository_dispatch", "manual"), ("schedule", "scheduled")],
        by_hand: "",
        status: "",
        started: "",
    },
    System {
        name: "Azure DevOps (release)",
        marker: "RELEASE_RELEASEID",
        fields: &[
            ("id", &["ado:{RELEASE_DEFINITIONNAME}:{RELEASE_RELEASEID}:{stage}:{RELEASE_ATTEMPTNUMBER}"]),
            ("release_id", &["{RELEASE_DEFINITIONNAME}/{RELEASE_RELEASEID}"]),
            ("pipeline", &["{RELEASE_DEFINITIONNAME}"]),
            ("version", &["{RELEASE_RELEASENAME}"]),
            ("commit", &["{BUILD_SOURCEVERSION}"]),
            (
                "requested_by",
                &[
                    "{RELEASE_DEPLOYMENT_REQUESTEDFOREMAIL}",
                    "{RELEASE_REQUESTEDFOREMAIL}",
                    "{RELEASE_DEPLOYMENT_REQUESTEDFOR}",
                ],
            ),
            ("url", &["{RELEASE_RELEASEWEBURL}"]),
        ],
        run_ids: &[],
        session_names: &["ado-rel-{RELEASE_RELEASEID}-{RELEASE_ENVIRONMENTID}", "ado-rel-{RELEASE_RELEASEID}-{stage}"],
        subjects: &[],
        reason: "RELEASE_REASON",
        triggers: &[("Manual", "manual"), ("Schedule", "scheduled")],
        by_hand: "",
        status: "AGENT_JOBSTATUS",
        started: "",
    },
    System {
        name: "Azure DevOps",
        marker: "TF_BUILD",
        fields: &[
            (
                "id",
                &[
                    "ado:{BUILD_DEFINITIONNAME}:{BUILD_BUILDID}:{stage}:{SYSTEM_STAGEATTEMPT}",
                    "ado:{BUILD_DEFINITIONNAME}:{BUILD_BUILDID}:{stage}:1",
                ],
            ),
            ("release_id", &["{BUILD_DEFINITIONNAME}/{BUILD_BUILDID}"]),
            ("pipeline", &["{BUILD_DEFINITIONNAME}"]),
            ("version", &["{BUILD_BUILDNUMBER}"]),
            ("commit", &["{BUILD_SOURCEVERSION}"]),
            ("requested_by", &["{BUILD_REQUESTEDFOREMAIL}", "{BUILD_REQUESTEDFOR}"]),
            ("url", &["{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}"]),
        ],
        run_ids: &["{BUILD_BUILDID}"],
        session_names: &["ado-{BUILD_BUILDID}", "ado-{BUILD_BUILDID}-{stage}"],
        subjects: &[],
        reason: "BUILD_REASON",
        triggers: &[("Manual", "manual"), ("Schedule", "scheduled")],
        by_hand: "",
        status: "AGENT_JOBSTATUS",
        started: "",
    },
    System {
        name: "GitLab",
        marker: "GITLAB_CI",
        fields: &[
            ("id", &["gitlab:{CI_PROJECT_PATH}:{CI_PIPELINE_ID}:{stage}:{CI_JOB_ID}"]),
            ("release_id", &["{CI_PROJECT_PATH}/{CI_PIPELINE_ID}"]),
            ("pipeline", &["{CI_PROJECT_PATH}"]),
            ("version", &["{CI_COMMIT_TAG}", "{CI_COMMIT_SHORT_SHA}"]),
            ("commit", &["{CI_COMMIT_SHA}"]),
            ("requested_by", &["{GITLAB_USER_EMAIL}", "{GITLAB_USER_LOGIN}"]),
            ("url", &["{CI_JOB_URL}"]),
        ],
        run_ids: &["{CI_PIPELINE_ID}", "{CI_JOB_ID}"],
        session_names: &["gl-{CI_PIPELINE_ID}", "gl-{CI_JOB_ID}"],
        subjects: &[],
        reason: "CI_PIPELINE_SOURCE",
        triggers: &[("web", "manual"), ("schedule", "scheduled")],
        by_hand: "CI_JOB_MANUAL",
        status: "CI_JOB_STATUS",
        started: "CI_JOB_STARTED_AT",
    },
    System {
        name: "Jenkins",
        marker: "JENKINS_URL",
        fields: &[
            ("id", &["jenkins:{JOB_NAME}:{BUILD_NUMBER}:{stage}"]),
            ("release_id", &["{JOB_NAME}/{BUILD_NUMBER}"]),
            ("pipeline", &["{JOB_NAME}"]),
            ("version", &["{BUILD_NUMBER}"]),
            ("commit", &["{GIT_COMMIT}"]),
            ("requested_by", &["{BUILD_USER_EMAIL}", "{BUILD_USER_ID}"]),
            ("url", &["{BUILD_URL}"]),
        ],
        run_ids: &["{BUILD_TAG}"],
        session_names: &["{BUILD_TAG}"],
        subjects: &[],
        reason: "",
        triggers: &[],
        by_hand: "",
        status: "",
        started: "",
    },
];

/// The record of the job whose variables `variable` knows.
///
/// # Errors
/// It is no job of a known system, or the system does not say what a record needs.
pub fn record(variable: &dyn Fn(&str) -> Option<String>, told: &Told, now: Timestamp) -> Result<Value, Error> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let Some(system) = SYSTEMS.iter().find(|system| variable(system.marker).is_some()) else {
        let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name).collect();
        return Err(Error::NoPipeline { known: known.join(", ") });
    };
    let fill = |template: &&str| {
        fill(template, &|name| if name == "stage" { Some(told.stage.clone()) } else { variable(name) })
    };
    let all = |templates: &[&str]| -> Vec<String> { templates.iter().filter_map(fill).collect() };
    let outcome =
        told.outcome.clone().or_else(|| variable(system.status)).ok_or(Error::NoOutcome { system: system.name })?;
    let mut record = Map::from_iter([("schema".to_owned(), json!("changetrail.deployment/1"))]);
    for (field, templates) in system.fields {
        match templates.iter().find_map(fill) {
            Some(text) => drop(record.insert((*field).to_owned(), json!(text))),
            None if *field == "id" => return Err(Error::Missing { system: system.name, field }),
            None => {}
        }
    }
    let given = [
        ("service", &told.service),
        ("pipeline", &told.pipeline),
        ("release_id", &told.release),
        ("environment", &told.environment),
    ];
    for (field, value) in given {
        if let Some(value) = value {
            record.insert(field.to_owned(), json!(value));
        }
    }
    let word = |reason: String| {
        system.triggers.iter().find(|(word, _)| *word == reason).map_or("automatic", |(_, trigger)| trigger)
    };
    let by_hand = variable(system.by_hand).map(|_| "manual");
    if let Some(trigger) = by_hand.or_else(|| variable(system.reason).map(word)) {
        record.insert("trigger".to_owned(), json!(trigger));
    }
    let starts = outcome == "running";
    let started = if starts { Some(now.to_string()) } else { variable(system.started) };
    record.insert("stage".to_owned(), json!(told.stage));
    if let Some(started) = started {
        record.insert("started_at".to_owned(), json!(started));
    }
    if !starts {
        record.insert("finished_at".to_owned(), json!(now.to_string()));
    }
    record.insert("outcome".to_owned(), json!(outcome));
    record.insert("recorded_at".to_owned(), json!(now.to_string()));
    record.insert(
        "keys".to_owned(),
        json!({
            "run_ids": all(system.run_ids), "aws_session_names": all(system.session_names), "oidc_subjects": all(system.subjects),
            "azure_correlation_ids": all(CORRELATION_IDS),
        }),
    );
    Ok(Value::Object(record))
}

/// A template with its variables put in; `None` where one of them is not set.
fn fill(template: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&variable(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-03T10:00:00Z";

    fn job(variables: &[(&str, &str)], outcome: Option<&str>) -> Result<Value, Error> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let told = Told { stage: "prod".to_owned(), outcome: outcome.map(str::to_owned), ..Told::default() };
        record(&variable, &told, NOW.parse().unwrap())
    }

    #[test]
    fn github() {
        let record = job(
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_REPOSITORY", "org/register"),
                ("GITHUB_RUN_ID", "7001"),
                ("GITHUB_RUN_ATTEMPT", "2"),
                ("GITHUB_WORKFLOW", "release"),
                ("GITHUB_SHA", "9f2c"),
                ("GITHUB_ACTOR", "agreen"),
                ("GITHUB_TRIGGERING_ACTOR", "bbrown"),
                ("GITHUB_EVENT_NAME", "workflow_dispatch"),
            ],
            Some("running"),
        )
        .unwrap();
        assert_eq!(record["id"], "github:org/register:7001:prod:2");
        assert_eq!(record["requested_by"], "bbrown");
        assert_eq!(record["trigger"], "manual");
        assert_eq!(record["started_at"], NOW);
        assert_eq!(record["keys"]["aws_session_names"], json!(["gh-7001-2"]));
        assert!(record.get("finished_at").is_none() && record.get("url").is_none());
    }

    #[test]
    fn azure_devops_of_both_kinds() {
        let stage = [
            ("TF_BUILD", "True"),
            ("BUILD_DEFINITIONNAME", "register"),
            ("BUILD_BUILDID", "71"),
            ("BUILD_REASON", "IndividualCI"),
            ("AGENT_JOBSTATUS", "SucceededWithIssues"),
        ];
        let record = job(&stage, None).unwrap();
        assert_eq!(
            (&record["id"], &record["outcome"]),
            (&json!("ado:register:71:prod:1"), &json!("SucceededWithIssues"))
        );
        assert_eq!((&record["trigger"], &record["finished_at"]), (&json!("automatic"), &json!(NOW)));
        let release = [
            ("RELEASE_RELEASEID", "812"),
            ("RELEASE_DEFINITIONNAME", "register-release"),
            ("RELEASE_ATTEMPTNUMBER", "1"),
        ];
        let both = [&stage[..], &release[..]].concat();
        assert_eq!(job(&both, None).unwrap()["id"], "ado:register-release:812:prod:1");
    }

    #[test]
    fn gitlab_and_jenkins() {
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_PATH", "org/register"),
            ("CI_PIPELINE_ID", "5"),
            ("CI_JOB_ID", "9"),
            ("CI_JOB_STATUS", "success"),
            ("CI_JOB_STARTED_AT", "2026-11-03T09:50:00Z"),
            ("CI_PIPELINE_SOURCE", "push"),
        ];
        let record = job(&gitlab, None).unwrap();
        assert_eq!(record["trigger"], "automatic");
        let by_hand = job(&[&gitlab[..], &[("CI_JOB_MANUAL", "true")]].concat(), None).unwrap();
        assert_eq!(by_hand["trigger"], "manual");
        assert_eq!(
            (&record["id"], &record["started_at"]),
            (&json!("gitlab:org/register:5:prod:9"), &json!("2026-11-03T09:50:00Z"))
        );
        let jenkins = [
            ("JENKINS_URL", "https://ci.example.org/"),
            ("JOB_NAME", "register"),
            ("BUILD_NUMBER", "41"),
            ("BUILD_TAG", "jenkins-register-41"),
        ];
        assert_eq!(job(&jenkins, Some("SUCCESS")).unwrap()["keys"]["run_ids"], json!(["jenkins-register-41"]));
        assert!(matches!(job(&jenkins, None), Err(Error::NoOutcome { .. })));
    }

    #[test]
    fn elsewhere_it_says_so() {
        let error = job(&[], Some("running")).unwrap_err();
        assert!(error.to_string().contains("GitLab"));
        assert!(matches!(job(&[("GITLAB_CI", "true")], Some("running")), Err(Error::Missing { .. })));
    }
}
