//! IAM's reports of what principals used, which moto lacks: `GenerateServiceLastAccessedDetails` and its counterpart. By
//! the IAM API reference: a job for each asking, its pages in two. Seeded by the tests; it does no I/O.

use super::wire::Asked;
use std::collections::BTreeMap;

/// What principals used, by ARN.
#[derive(Default)]
pub struct Accessed {
    /// Service, its last use, and its actions with theirs.
    used: BTreeMap<String, Vec<Service>>,
    jobs: Vec<String>,
    /// When reports are made, RFC 3339; a fixed time where none is set.
    pub made: Option<String>,
}

/// One service's last use.
#[derive(Clone)]
pub struct Service {
    pub name: &'static str,
    /// RFC 3339; none for never.
    pub last: Option<&'static str>,
    pub actions: Vec<(&'static str, Option<&'static str>)>,
}

impl Accessed {
    /// Sets what a principal used.
    pub fn set(&mut self, arn: &str, services: Vec<Service>) {
        self.used.insert(arn.to_owned(), services);
    }

    /// The answer's XML, or none for what is left to moto.
    pub fn answer(&mut self, asked: &Asked) -> Option<String> {
        let result = match asked.action.as_str() {
            "GenerateServiceLastAccessedDetails" => {
                let arn = asked.parameter("Arn")?;
                assert_eq!(asked.parameter("Granularity"), Some("ACTION_LEVEL"));
                self.jobs.push(arn.to_owned());
                format!("<JobId>job-{}</JobId>", self.jobs.len() - 1)
            }
            "GetServiceLastAccessedDetails" => {
                let job = asked.parameter("JobId")?.strip_prefix("job-")?.parse::<usize>().ok()?;
                let all = self.used.get(self.jobs.get(job)?).cloned().unwrap_or_default();
                let second = asked.parameter("Marker") == Some("second");
                let (first, rest) = all.split_at(all.len().min(1));
                let page: String = if second { rest } else { first }.iter().map(member).collect();
                let more = if !second && !rest.is_empty() {
                    "<IsTruncated>true</IsTruncated><Marker>second</Marker>"
                } else {
                    "<IsTruncated>false</IsTruncated>"
                };
                let made = self.made.as_deref().unwrap_or("2026-06-01T00:00:02Z");
                format!(
                    "<JobStatus>COMPLETED</JobStatus><JobType>ACTION_LEVEL</JobType>\
                     <JobCreationDate>2026-06-01T00:00:00Z</JobCreationDate>\
                     <JobCompletionDate>{made}</JobCompletionDate>\
                     <ServicesLastAccessed>{page}</ServicesLastAccessed>{more}"
                )
            }
            _ => return None,
        };
        let action = &asked.action;
        Some(format!(
            "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>test</RequestId></ResponseMetadata></{action}Response>"
        ))
    }
}

fn member(service: &Service) -> String {
    let at = |name: &str, at: Option<&str>| at.map_or_else(String::new, |at| format!("<{name}>{at}</{name}>"));
    let actions: String = (service.actions.iter())
        .map(|(name, last)| format!("<member><ActionName>{name}</ActionName>{}</member>", at("LastAccessedTime", *last)))
        .collect();
    format!(
        "<member><ServiceName>{0}</ServiceName><ServiceNamespace>{0}</ServiceNamespace>{1}\
         <TotalAuthenticatedEntities>1</TotalAuthenticatedEntities>\
         <TrackedActionsLastAccessed>{actions}</TrackedActionsLastAccessed></member>",
        service.name,
        at("LastAuthenticated", service.last)
    )
}
