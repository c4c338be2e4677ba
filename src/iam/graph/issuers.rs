//! Whose tokens become roles by OpenID Connect: how each issuer is known, whom it serves, and what of a token its holder
//! cannot choose. (AWS: "IAM and AWS STS condition context keys", available keys for AWS OIDC federation; the subjects as
//! each system documents them.)
//!
//! It knows no policy: `tokens` makes hostile ones and has them tried.

use crate::iam::sets::glob::Glob;

/// Stands in a token for what a stranger chose; no policy has it.
pub(super) const CHOSEN: char = '\u{e000}';

/// Amazon Cognito's identity pools, which serve guests as well.
pub(super) const COGNITO: &str = "cognito-identity.amazonaws.com";

/// Whom an issuer serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Serves {
    /// A delivery system.
    Pipelines,
    /// The workloads of a Kubernetes cluster.
    Cluster,
    /// People who sign in to an application.
    Users,
    /// Not known: a delivery system of one's own, or an identity provider.
    Unknown,
}

/// How much a claim's value leaves to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Open {
    /// It is of one project, or of one user.
    Closed,
    /// Any project of one owner.
    Project,
    /// Anyone whom the issuer serves.
    Owner,
}

/// What a claim, beside subject and audience, says of who holds the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// Who owns it; the words tell what of the owner is left open.
    Owner(&'static str),
    /// As [`Self::Owner`], up to the first `/`.
    OwnerPath(&'static str),
    /// `owner/project`.
    Path(&'static str),
    /// Which project, over all owners.
    Project,
    /// Which of an owner's projects; another owner may have one of that name.
    Local,
    /// Nothing: whoever holds the token chooses it.
    Nothing,
}

/// How a subject is written.
struct Form {
    begins: &'static str,
    /// Up to here the owner's name goes; none where the issuer is of one owner and the subject does not repeat it.
    owner: Option<char>,
    project: Part,
}

#[derive(Clone, Copy)]
enum Part {
    /// Up to this character.
    Next(char),
    /// Behind the text, up to the character.
    After(&'static str, char),
    /// What stands for the owner is one project.
    Owner,
    /// No project is named.
    None,
}

/// An issuer as it is known by its host.
pub(super) struct Issuer {
    hosts: &'static [&'static str],
    /// What people call it; empty where it is not known.
    pub(super) name: &'static str,
    pub(super) serves: Serves,
    /// It serves one customer, so none of those it serves are strangers.
    pub(super) own: bool,
    pub(super) owner: &'static str,
    pub(super) project: &'static str,
    /// What the owner's projects are together: `repository of the organisation`.
    pub(super) any: &'static str,
    forms: &'static [Form],
    claims: &'static [(&'static str, Says)],
    /// AWS reads no other claims of its tokens, beside their subject and audience.
    claims_whole: bool,
    /// The audience is chosen by whoever asks for a token, and keeps nobody out.
    free_audience: bool,
    pub(super) subject: &'static str,
    pub(super) audience: &'static str,
}

const fn form(begins: &'static str, owner: char, project: Part) -> Form {
    Form { begins, owner: Some(owner), project }
}

const PLAIN: Issuer = Issuer {
    hosts: &[],
    name: "",
    serves: Serves::Pipelines,
    own: false,
    owner: "organisation",
    project: "project",
    any: "project of the organisation",
    forms: &[],
    claims: &[],
    claims_whole: false,
    free_audience: true,
    subject: "sub",
    audience: "aud",
};

const GITHUB: Issuer = Issuer {
    hosts: &["token.actions.githubusercontent.com"],
    name: "GitHub Actions",
    project: "repository",
    any: "repository of the organisation",
    forms: &[
        form("repo:", '/', Part::Next(':')),
        form("repository:", '/', Part::Next(':')),
        form("repository_id:", ':', Part::Owner),
        form("repository_owner:", ':', Part::After("repository:", ':')),
        form("repository_owner_id:", ':', Part::After("repository_id:", ':')),
        form("job_workflow_ref:", '/', Part::None),
    ],
    claims: &[
        ("repository", Says::Path("repository of the organisation")),
        ("repository_id", Says::Project),
        ("repository_owner_id", Says::Owner("repository of the organisation")),
        ("enterprise_id", Says::Owner("repository of the enterprise")),
        // A workflow that can be called runs for whoever calls it.
        ("job_workflow_ref", Says::OwnerPath("repository that may call the workflow")),
        // Whoever gets a person to start a workflow of theirs runs as that person.
        ("actor", Says::Owner("repository in which that person starts a workflow")),
        ("actor_id", Says::Owner("repository in which that person starts a workflow")),
        ("environment", Says::Nothing),
        ("ref", Says::Nothing),
        ("workflow", Says::Nothing),
    ],
    claims_whole: true,
    ..PLAIN
};

const GITLAB: Issuer = Issuer {
    hosts: &["gitlab.com"],
    name: "GitLab",
    owner: "group",
    any: "project of the group",
    forms: &[form("project_path:", '/', Part::Next(':'))],
    claims: &[
        ("namespace_id", Says::Owner("project of the group")),
        ("project_id", Says::Project),
        ("user_id", Says::Owner("project in which that person starts a pipeline")),
        ("user_login", Says::Owner("project in which that person starts a pipeline")),
        ("user_email", Says::Owner("project in which that person starts a pipeline")),
        ("user_access_level", Says::Nothing),
        ("pipeline_source", Says::Nothing),
        ("ref_protected", Says::Nothing),
        ("runner_environment", Says::Nothing),
    ],
    ..PLAIN
};

const TERRAFORM: Issuer = Issuer {
    hosts: &["app.terraform.io", "app.*.terraform.io"],
    name: "Terraform Cloud",
    project: "workspace",
    any: "workspace of the organisation",
    forms: &[form("organization:", ':', Part::After("workspace:", ':'))],
    ..PLAIN
};

const KUBERNETES: Issuer = Issuer {
    hosts: &["oidc.eks.*.amazonaws.com/id/*", "oidc.eks.*.amazonaws.com.cn/id/*", "container.googleapis.com/*"],
    name: "Kubernetes",
    serves: Serves::Cluster,
    own: true,
    owner: "namespace",
    project: "service account",
    any: "service account of the cluster",
    forms: &[form("system:serviceaccount:", ':', Part::Next(':'))],
    ..PLAIN
};

const USERS: Issuer = Issuer { serves: Serves::Users, owner: "whole subject", free_audience: false, ..PLAIN };

const UNKNOWN: Issuer = Issuer { serves: Serves::Unknown, ..USERS };

const ISSUERS: &[Issuer] = &[
    GITHUB,
    // Enterprises with an issuer, a host or a server of their own.
    Issuer {
        hosts: &["token.actions.githubusercontent.com/*", "token.actions.*.ghe.com", "*/_services/token"],
        own: true,
        any: "repository of the enterprise",
        ..GITHUB
    },
    GITLAB,
    Issuer {
        hosts: &["api.bitbucket.org/2.0/workspaces/*"],
        name: "Bitbucket Pipelines",
        own: true,
        owner: "workspace",
        project: "repository",
        any: "repository of the workspace",
        forms: &[Form { begins: "", owner: None, project: Part::Next(':') }],
        ..PLAIN
    },
    Issuer {
        hosts: &["agent.buildkite.com", "agent.*.buildkite.dev", "agent.*.buildkite.site"],
        name: "Buildkite",
        project: "pipeline",
        any: "pipeline of the organisation",
        forms: &[form("organization:", ':', Part::After("pipeline:", ':'))],
        claims: &[
            ("organization_slug", Says::Owner("pipeline of the organisation")),
            ("organization_id", Says::Owner("pipeline of the organisation")),
            ("pipeline_id", Says::Project),
            ("pipeline_slug", Says::Local),
            ("cluster_id", Says::Owner("pipeline of the cluster")),
            ("cluster_name", Says::Nothing),
            ("build_branch", Says::Nothing),
        ],
        ..PLAIN
    },
    TERRAFORM,
    Issuer {
        hosts: &["oidc.circleci.com/org/*"],
        name: "CircleCI",
        own: true,
        forms: &[form("org/", '/', Part::After("project/", '/'))],
        claims: &[("oidc.circleci.com/project-id", Says::Project)],
        ..PLAIN
    },
    Issuer {
        hosts: &["vstoken.dev.azure.com/*"],
        name: "Azure Pipelines",
        own: true,
        forms: &[form("sc://", '/', Part::Next('/'))],
        ..PLAIN
    },
    Issuer {
        hosts: &["oidc.codefresh.io"],
        name: "Codefresh",
        owner: "account",
        project: "pipeline",
        any: "pipeline of the account",
        forms: &[form("account:", ':', Part::After("pipeline:", ':'))],
        ..PLAIN
    },
    Issuer {
        hosts: &["api.pulumi.com/oidc"],
        name: "Pulumi",
        forms: &[
            form("pulumi:deploy:org:", ':', Part::After("project:", ':')),
            form("pulumi:environments:org:", ':', Part::After("env:", ':')),
        ],
        claims: &[("aud", Says::Owner("project of the organisation"))],
        ..PLAIN
    },
    Issuer {
        hosts: &["*.app.spacelift.io", "*.app.us.spacelift.io"],
        name: "Spacelift",
        own: true,
        owner: "space",
        project: "stack",
        any: "stack of the account",
        forms: &[form("space:", ':', Part::Next(':'))],
        ..PLAIN
    },
    KUBERNETES,
    Issuer { hosts: &[COGNITO], name: "Cognito", claims: &[("amr", Says::Nothing)], ..USERS },
    Issuer {
        hosts: &["accounts.google.com"],
        name: "Google",
        claims: &[("google/organization_number", Says::Project), ("oaud", Says::Project)],
        ..USERS
    },
    Issuer { hosts: &["graph.facebook.com"], name: "Facebook", subject: "id", audience: "app_id", ..USERS },
    Issuer { hosts: &["www.amazon.com"], name: "Amazon", subject: "user_id", audience: "app_id", ..USERS },
];

/// Systems that run on a server of one's own too, by how their subjects begin.
const SERVERS: &[(&str, &Issuer)] =
    &[("project_path:", &Issuer { own: true, any: "project of the server", ..GITLAB }), ("system:serviceaccount:", &KUBERNETES)];

/// Whether AWS may know a claim of an issuer's tokens; of most it is not said which it reads.
pub(crate) fn may_be_read(host: &str, claim: &str) -> bool {
    let issuer = Issuer::of(host, []);
    let mut known = issuer.claims.iter().map(|(name, _)| *name).chain([issuer.subject, issuer.audience]);
    !issuer.claims_whole || known.any(|name| name.eq_ignore_ascii_case(claim))
}

impl Issuer {
    /// Who issues tokens under this host; a server of one's own is known by the subjects that a trust asks it for.
    pub(super) fn of<'s>(host: &str, subjects: impl IntoIterator<Item = &'s str>) -> &'static Self {
        let known = ISSUERS.iter().find(|i| i.hosts.iter().any(|h| Glob::new(h).matches(host)));
        let by_subject = |s: &str| SERVERS.iter().find(|(begins, _)| s.starts_with(begins)).map(|(_, issuer)| *issuer);
        known.or_else(|| subjects.into_iter().find_map(by_subject)).unwrap_or(&UNKNOWN)
    }

    /// Whether a subject may be of this issuer: it is written as this one writes them, or as no other does where the trust asks
    /// for a subject. Bitbucket's begin with a brace.
    pub(super) fn may_write(&self, subject: &str, asks: bool) -> bool {
        let begins = |issuer: &Self| issuer.forms.iter().any(|f| !f.begins.is_empty() && subject.starts_with(f.begins));
        let plain = self.forms.iter().all(|f| f.begins.is_empty());
        begins(self)
            || plain
                && (asks || subject.starts_with('{'))
                && !ISSUERS.iter().chain(SERVERS.iter().map(|(_, server)| *server)).any(begins)
    }

    /// The subject of a stranger's token.
    pub(super) fn strange_subject(&self) -> String {
        let Some(form) = self.forms.first() else { return CHOSEN.to_string() };
        let owner = form.owner.map_or_else(String::new, |end| format!("{CHOSEN}{end}"));
        let project = match form.project {
            Part::Next(end) => format!("{CHOSEN}{end}"),
            Part::After(mark, end) => format!("{mark}{CHOSEN}{end}"),
            Part::Owner | Part::None => String::new(),
        };
        format!("{}{owner}{project}{CHOSEN}", form.begins)
    }

    /// What a subject leaves open; what was left to choose in it is [`CHOSEN`].
    pub(super) fn subject_leaves(&self, subject: &str) -> Open {
        let chosen = subject.contains(CHOSEN);
        if self.forms.is_empty() {
            // How its subjects are written is not known: one whose beginning is fixed is somebody's.
            return if subject.starts_with(CHOSEN) { Open::Owner } else { Open::Closed };
        }
        let Some((form, rest)) = self.forms.iter().find_map(|f| Some((f, subject.strip_prefix(f.begins)?))) else {
            return if chosen { Open::Owner } else { Open::Closed };
        };
        let (owner, behind) = match form.owner {
            Some(end) => rest.split_once(end).unwrap_or((rest, "")),
            None => ("", rest),
        };
        if owner.contains(CHOSEN) {
            return Open::Owner;
        }
        let project = match form.project {
            Part::Next(end) => behind.split(end).next().unwrap_or_default(),
            Part::After(mark, end) => {
                behind.split_once(mark).map_or(behind, |(_, name)| name.split(end).next().unwrap_or_default())
            }
            Part::Owner => "",
            Part::None => return Open::Project,
        };
        if project.contains(CHOSEN) { Open::Project } else { Open::Closed }
    }

    /// What a claim says of whoever holds the token; one that is not listed is taken to name a project.
    pub(super) fn says(&self, claim: &str) -> Says {
        let says = self.claims.iter().find(|(name, _)| name.eq_ignore_ascii_case(claim)).map(|(_, says)| *says);
        says.unwrap_or(match claim {
            c if c.eq_ignore_ascii_case(self.audience) && self.free_audience => Says::Nothing,
            _ => Says::Project,
        })
    }

    /// What a claim's value leaves open.
    pub(super) fn leaves(&self, claim: &str, value: &str) -> Open {
        if claim.eq_ignore_ascii_case(self.subject) {
            return self.subject_leaves(value);
        }
        // Tokens for AWS are asked for by every customer of an issuer.
        if claim.eq_ignore_ascii_case(self.audience) && value.starts_with("sts.amazonaws.com") {
            return Open::Owner;
        }
        let chosen = |text: &str| text.contains(CHOSEN);
        let (owner, rest) = value.split_once('/').unwrap_or((value, ""));
        match self.says(claim) {
            Says::Nothing => Open::Owner,
            Says::Owner(_) if chosen(value) => Open::Owner,
            Says::OwnerPath(_) | Says::Path(_) if chosen(owner) => Open::Owner,
            Says::Owner(_) | Says::OwnerPath(_) => Open::Project,
            Says::Path(_) | Says::Local if chosen(rest) || chosen(owner) => Open::Project,
            Says::Project if chosen(value) => Open::Owner,
            Says::Path(_) | Says::Local | Says::Project => Open::Closed,
        }
    }
}
