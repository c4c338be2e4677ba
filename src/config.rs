//! The user's configuration: TOML to [`Config`], with errors that name line, column and the nearest valid name.
//! It does not open files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::model::account::Environment;
use crate::model::attribution::{Rule, Rules};
use crate::model::guard::{Guardrail, Guardrails};
use crate::network::exposure::Source;
use crate::network::matrix::{Boundary, Selector};
use crate::network::packets::{Addresses, Service, cidr};
use crate::network::picture::Terms;
use crate::network::reach::service;
use crate::triage::policy::Policy;

/// What `config.toml` may say. Everything has a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `auto`, or a theme's name.
    pub theme: String,
    /// Borders and marks of plain ASCII.
    pub ascii: bool,
    /// Whether the mouse selects and scrolls.
    pub mouse: bool,
    /// Refuse everything that writes.
    pub read_only: bool,
    pub aws: Aws,
    /// What identities are held against.
    pub iam: Identities,
    /// Who decides what, and until when: teams and their roles, approvals, service levels.
    pub triage: Policy,
    /// Where decisions are kept.
    pub ledger: Ledger,
    /// Sessions on nodes: what is recorded, what becomes of them, saved forwards.
    pub sessions: Sessions,
    /// Who owns what: the last matching rule wins.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
    /// What is asked before something is done to an account: the strictest that matches counts.
    #[serde(rename = "guard")]
    pub guardrails: Vec<Guardrail>,
    pub tags: TagKeys,
    /// Sources with names, and boundaries that are to hold.
    pub network: Network,
    /// Keys to actions, by scope: `[keys.list]`, `"ctrl-n" = "down"`.
    pub keys: BTreeMap<String, BTreeMap<String, String>>,
}

/// What identities are held against.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identities {
    /// An access key older than this many days is too old.
    pub key_max_days: i64,
    /// Every user and role that people made must have a permissions boundary.
    pub boundary_required: bool,
}

impl Default for Identities {
    fn default() -> Self {
        Self { key_max_days: 90, boundary_required: false }
    }
}

/// The ledger of decisions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// A file, or `postgres://…` for a team; a file in the data directory where not given.
    pub url: Option<String>,
    /// A minisign public key that signs the ledger's checkpoints.
    pub public_key: Option<String>,
    /// Log in to PostgreSQL with a token of the caller's AWS identity instead of a password.
    pub iam: bool,
}

/// What people say about their networks.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Offices, partners: exposures tell them by name.
    #[serde(rename = "source")]
    pub sources: Vec<NamedSource>,
    /// What must not reach what; a flow that crosses one is a finding.
    #[serde(rename = "boundary")]
    pub boundaries: Vec<NamedBoundary>,
}

/// Addresses on the internet with a name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSource {
    pub name: SourceName,
    pub cidrs: Vec<PublicCidr>,
}

/// A source's name; `internet` is taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SourceName(String);

impl TryFrom<String> for SourceName {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        match name.trim() {
            "" => Err("a source needs a name".to_owned()),
            name if name.eq_ignore_ascii_case("internet") => Err("\"internet\" is there already: choose another name".to_owned()),
            name => Ok(Self(name.to_owned())),
        }
    }
}

/// A range of addresses that are on the internet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicCidr(Addresses);

impl TryFrom<String> for PublicCidr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let all = Addresses::of([cidr(&text).map_err(|e| e.to_string())?]);
        if all.minus(&Addresses::internet()).is_empty() {
            Ok(Self(all))
        } else {
            Err(format!("{text} is not on the internet, or not wholly: a source is where packets from outside come from"))
        }
    }
}

/// "FROM must not reach TO": environments, account ids or account names; empty means all.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedBoundary {
    pub name: String,
    #[serde(default)]
    pub from: Vec<String>,
    /// May reach it all the same.
    #[serde(default)]
    pub from_except: Vec<String>,
    #[serde(default)]
    pub to: Vec<String>,
    #[serde(default)]
    pub to_except: Vec<String>,
    /// Only these ports: `22`, `53/udp`, `1000-2000/tcp`; none for all.
    #[serde(default)]
    pub ports: Vec<Ports>,
}

/// A protocol and its ports.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Ports(Service);

impl TryFrom<String> for Ports {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        service(&text).map(Self).map_err(|e| e.to_string())
    }
}

impl Network {
    /// As the engine wants them.
    pub fn terms(&self) -> Terms {
        let source = |s: &NamedSource| Source {
            name: s.name.0.clone(),
            addresses: s.cidrs.iter().fold(Addresses::default(), |all, c| all.or(&c.0)),
        };
        let boundary = |b: &NamedBoundary| Boundary {
            name: b.name.clone(),
            from: Selector { any_of: b.from.clone(), except: b.from_except.clone() },
            to: Selector { any_of: b.to.clone(), except: b.to_except.clone() },
            service: b.ports.iter().map(|p| p.0.clone()).reduce(|all, one| all.or(&one)),
        };
        Terms { sources: self.sources.iter().map(source).collect(), boundaries: self.boundaries.iter().map(boundary).collect() }
    }
}

/// Sessions on nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Whether sessions are recorded unless somebody asks otherwise.
    pub record: bool,
    /// Environments in which every session is recorded. An account without one counts as one of them.
    pub must_record: Vec<Environment>,
    /// Whether recordings keep what is typed, passwords and all.
    pub keystrokes: bool,
    /// Where recordings are kept; beside the ledger's file where not given.
    pub recordings: Option<PathBuf>,
    /// What becomes of open sessions when the console ends.
    pub at_quit: AtQuit,
    /// Forwards by name: `bartizan ssm forward NAME`, `:forward NAME`.
    pub forwards: BTreeMap<String, SavedForward>,
}

/// What becomes of open sessions when the console ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtQuit {
    #[default]
    Terminate,
    /// They run on until AWS's idle timeout ends them.
    Leave,
}

/// A forward that was given a name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedForward {
    /// An instance id, a name, a private address, or `account/name`.
    pub node: String,
    /// Behind the node; the node itself where not given.
    #[serde(default)]
    pub host: Option<String>,
    pub port: u16,
    /// Here; a free port where not given.
    #[serde(default)]
    pub local: u16,
    /// Sessions that share the connections.
    #[serde(default = "one")]
    pub lanes: usize,
    #[serde(default)]
    pub reason: String,
}

fn one() -> usize {
    1
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            record: true,
            must_record: vec![Environment::Production],
            keystrokes: false,
            recordings: None,
            at_quit: AtQuit::default(),
            forwards: BTreeMap::new(),
        }
    }
}

impl Sessions {
    /// Whether a session in this environment is recorded; `unrecorded` asks that it be not.
    ///
    /// # Errors
    /// Where policy does not leave that to whoever asks.
    pub fn records(&self, environment: Option<Environment>, unrecorded: bool) -> Result<bool, String> {
        let must = environment.map_or(!self.must_record.is_empty(), |e| self.must_record.contains(&e));
        if must && unrecorded {
            let place = environment.map_or("of an account without environment", Environment::word);
            return Err(format!("Sessions in {place} are always recorded (sessions.must_record in the configuration)."));
        }
        Ok(must || (self.record && !unrecorded))
    }
}

/// How AWS is asked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    pub profiles: Vec<String>,
    pub regions: Vec<String>,
    /// The role to assume in member accounts.
    pub role: String,
    pub external_id: Option<String>,
    /// Names the user in CloudTrail; from the caller's ARN where not given.
    pub session_name: Option<String>,
    pub endpoint_url: Option<String>,
    /// Only the account at hand, even where there is an organisation.
    pub single_account: bool,
    /// Minutes between two reads of the same kind.
    pub refresh: Refresh,
}

/// Minutes between two reads, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refresh {
    pub findings: u64,
    pub nodes: u64,
    pub network: u64,
    pub iam: u64,
    pub accounts: u64,
    /// The slow pass that sees what others triaged, which changes no `UpdatedAt`.
    pub reconcile: u64,
}

/// Tag keys that name environment and owner, first present wins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagKeys {
    pub environment: Vec<String>,
    pub owner: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            theme: "auto".into(),
            ascii: false,
            mouse: true,
            read_only: false,
            aws: Aws::default(),
            iam: Identities::default(),
            triage: Policy::default(),
            ledger: Ledger::default(),
            sessions: Sessions::default(),
            rules: Vec::new(),
            guardrails: Vec::new(),
            tags: TagKeys::default(),
            network: Network::default(),
            keys: BTreeMap::new(),
        }
    }
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            profiles: Vec::new(),
            regions: Vec::new(),
            role: "OrganizationAccountAccessRole".into(),
            external_id: None,
            session_name: None,
            endpoint_url: None,
            single_account: false,
            refresh: Refresh::default(),
        }
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self { findings: 2, nodes: 2, network: 15, iam: 30, accounts: 60, reconcile: 240 }
    }
}

impl Default for TagKeys {
    fn default() -> Self {
        let Rules { environment_tags, owner_tags, .. } = Rules::default();
        Self { environment: environment_tags, owner: owner_tags }
    }
}

/// Why a configuration was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ConfigError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Where it is not TOML, a key is unknown or a value is of the wrong type: place and reason.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |s| s.start).min(text.len());
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            ConfigError { line, column, message: with_nearest(e.message()) }
        })
    }

    /// Who may decide what, behind the guardrails.
    pub fn policy(&self) -> Policy {
        Policy { guardrails: Guardrails(self.guardrails.clone()), ..self.triage.clone() }
    }

    /// Rules and tag keys together.
    pub fn rules(&self) -> Rules {
        Rules { rules: self.rules.clone(), environment_tags: self.tags.environment.clone(), owner_tags: self.tags.owner.clone() }
    }
}

/// serde's word for an unknown key, with the nearest valid one in front of the whole list.
fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (true, Some(wrong)) = (message.starts_with("unknown"), quoted.next()) else { return message.to_owned() };
    let valid: Vec<&str> = quoted.collect();
    let nearest = valid.iter().map(|v| (strsim::damerau_levenshtein(wrong, v), *v)).min();
    let kind = if message.starts_with("unknown variant") { "value" } else { "key" };
    let meant = match nearest {
        Some((distance, name)) if distance <= 3 => format!("; did you mean {name:?}?"),
        _ => String::new(),
    };
    format!("unknown {kind} {wrong:?}{meant} Valid here: {}", valid.join(", ")).replace("? Valid", "? Valid").replacen(
        "\" Valid",
        "\". Valid",
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_file_is_the_default() {
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    #[test]
    fn an_unknown_key_has_a_place_and_a_nearest_name() {
        let error = Config::parse("mouse = true\n[aws]\n  regoins = [\"eu-west-1\"]\n").unwrap_err();
        assert_eq!((error.line, error.column), (3, 3));
        assert!(error.message.starts_with("unknown key \"regoins\"; did you mean \"regions\"?"), "{}", error.message);
    }

    #[test]
    fn a_wrong_type_has_a_place() {
        let error = Config::parse("theme = 3\n").unwrap_err();
        assert_eq!((error.line, error.column), (1, 9));
        assert!(error.message.contains("expected a string"), "{}", error.message);
    }

    #[test]
    fn sources_and_boundaries_read() {
        let text = "[[network.source]]\nname = \"office\"\ncidrs = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n\
                    [[network.boundary]]\nname = \"only shared reaches management\"\nfrom_except = [\"shared\"]\n\
                    to = [\"management\"]\nports = [\"22\", \"53/udp\"]\n";
        let terms = Config::parse(text);
        let terms = terms.unwrap().network.terms();
        assert_eq!(terms.sources[0].addresses.to_string(), "198.51.100.0/24, 2001:db8::/32");
        assert_eq!(terms.boundaries[0].from, Selector { any_of: Vec::new(), except: vec!["shared".into()] });
        assert_eq!(terms.boundaries[0].service.as_ref().unwrap().to_string(), "tcp 22; udp 53");
    }

    #[test]
    fn what_is_wrong_in_a_source_has_a_place() {
        for (cidrs, says) in [("10.0.0.0/8", "not on the internet"), ("8.8.8.8/33", "8.8.8.8/33"), ("office", "office")] {
            let text = format!("[[network.source]]\nname = \"a\"\ncidrs = [\"{cidrs}\"]\n");
            let error = Config::parse(&text).unwrap_err();
            assert_eq!((error.line, error.column), (3, 9), "{error}");
            assert!(error.message.contains(says), "{error}");
        }
        let error = Config::parse("[[network.source]]\nname = \"Internet\"\ncidrs = []\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 8));
        let error = Config::parse("[[network.boundary]]\nname = \"a\"\nports = [\"ssh\"]\n").unwrap_err();
        assert_eq!((error.line, error.column), (3, 9));
        assert!(error.message.contains("write 443"), "{error}");
        let error = Config::parse("[[network.boundary]]\nname = \"a\"\nform = []\n").unwrap_err();
        assert!(error.message.contains("did you mean \"from\"?"), "{error}");
    }

    #[test]
    fn what_must_be_recorded_cannot_be_left_out() {
        let config =
            Config::parse("[sessions]\nrecord = false\n[sessions.forwards.db]\nnode = \"bastion\"\nport = 5432\n").unwrap();
        let sessions = config.sessions;
        assert_eq!(sessions.records(Some(Environment::Production), false), Ok(true));
        assert!(sessions.records(Some(Environment::Production), true).unwrap_err().contains("always recorded"));
        assert!(sessions.records(None, true).is_err(), "an account that nobody classified may be production");
        assert_eq!(sessions.records(Some(Environment::NonProduction), false), Ok(false));
        assert_eq!(Sessions::default().records(Some(Environment::NonProduction), false), Ok(true));
        assert_eq!(Sessions::default().records(Some(Environment::NonProduction), true), Ok(false));
        assert_eq!((sessions.forwards["db"].lanes, sessions.forwards["db"].local), (1, 0));
    }

    #[test]
    fn rules_read() {
        let config = Config::parse(
            "[[rule]]\nou = \"Workloads/Production\"\nenvironment = \"production\"\n[[rule]]\nname = \"pay*\"\nowner = \"payments\"\n",
        );
        let rules = config.unwrap().rules();
        assert_eq!(rules.rules.len(), 2);
        assert_eq!(rules.rules[1].owner.as_deref(), Some("payments"));
    }
}
