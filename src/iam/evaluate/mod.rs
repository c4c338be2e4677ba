//! Whether a request is allowed, and by which statements: AWS's published logic ("Policy evaluation logic", "How AWS
//! enforcement code logic evaluates requests to allow or deny access", "Cross-account policy evaluation logic").
//!
//! What is not known of a request is not guessed: the answer then is that it depends, on which keys, by which
//! statements. It judges one request at a time and knows no account; `account` puts the layers together.

mod compiled;
mod condition;
mod context;
mod explain;
mod truth;

pub use compiled::{ActionName, Compiled};
pub use condition::{around, fits_operator};
pub(crate) use context::moment;
pub use context::{Context, Known};
pub use explain::{Answer, Deciding, Dependence, Missing, explain};
pub use truth::Truth;

use compiled::{CompiledStatement, IdentityLayer, Reach};
use condition::Keys;

use super::policy::Effect;
use super::sets::covers;
use super::sets::glob::{ArnPattern, split};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerKind {
    User,
    /// A role, which acts through a session.
    Role,
    /// An account's root user.
    Root,
    /// A session of `sts:GetFederationToken`.
    FederatedUser,
    /// An AWS service, `lambda.amazonaws.com`.
    Service,
    /// Somebody with a SAML assertion or a web identity token, before a role is assumed.
    Federated,
    Anonymous,
}

impl CallerKind {
    fn is_aws(self) -> bool {
        matches!(self, Self::User | Self::Role | Self::Root | Self::FederatedUser)
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub kind: CallerKind,
    /// The user's, role's or federated user's ARN, a service's name, an identity provider's ARN; empty for the anonymous.
    pub arn: String,
    /// The role session's ARN where one is meant; none for any session of the role.
    pub session: Option<String>,
    /// The ARN of the user behind a federated user.
    pub user: Option<String>,
    /// `AIDA…`, `AROA…`; may be empty.
    pub id: String,
    /// Twelve digits; empty for services and the anonymous.
    pub account: String,
    /// Condition keys that follow from who it is: `aws:PrincipalArn` and its like.
    pub keys: Context,
}

impl Caller {
    /// Somebody with this ARN, or service with this name; `*` or nothing is the anonymous caller.
    pub fn new(arn: &str) -> Self {
        let bare = |kind, arn: &str| Self {
            kind,
            arn: arn.to_owned(),
            session: None,
            user: None,
            id: String::new(),
            account: String::new(),
            keys: Context::new(),
        };
        let mut caller = match split(arn) {
            None if arn.is_empty() || arn == "*" => bare(CallerKind::Anonymous, ""),
            None => bare(CallerKind::Service, arn),
            Some(parts) => {
                let (kind, rest) = parts[5].split_once('/').unwrap_or((parts[5], ""));
                let mut caller = match (parts[2], kind) {
                    ("sts", "assumed-role") => {
                        let role = rest.split('/').next().unwrap_or_default();
                        let mut c = bare(CallerKind::Role, &format!("arn:{}:iam::{}:role/{role}", parts[1], parts[4]));
                        c.session = Some(arn.to_owned());
                        c
                    }
                    ("sts", "federated-user") => bare(CallerKind::FederatedUser, arn),
                    ("iam", "saml-provider" | "oidc-provider") => bare(CallerKind::Federated, arn),
                    ("iam", "root") => bare(CallerKind::Root, arn),
                    ("iam", "role") => bare(CallerKind::Role, arn),
                    _ => bare(CallerKind::User, arn),
                };
                caller.account = parts[4].to_owned();
                caller
            }
        };
        caller.fill();
        caller
    }

    /// Somebody with a token or an assertion of this provider, which AWS names by an ARN or by a host.
    pub fn federated(provider: &str) -> Self {
        let mut caller = Self::new("arn:aws:iam:::oidc-provider/provider");
        provider.clone_into(&mut caller.arn);
        caller
    }

    /// A service-linked role: SCPs and RCPs do not reach it (AWS: "Service control policies", tasks not restricted).
    pub fn is_service_linked(&self) -> bool {
        self.kind == CallerKind::Role && self.arn.contains(":role/aws-service-role/")
    }

    /// The keys that follow from who it is (AWS: "AWS global condition context keys").
    fn fill(&mut self) {
        let none: [&str; 0] = [];
        if self.kind == CallerKind::Anonymous {
            // Requests that nobody signed do not carry these.
            ["aws:PrincipalIsAWSService", "aws:userid", "aws:PrincipalOrgPaths"].iter().for_each(|key| self.keys.set(key, none));
            self.keys.close("aws:PrincipalTag/");
        } else {
            self.keys.set("aws:PrincipalIsAWSService", [if self.kind == CallerKind::Service { "true" } else { "false" }]);
        }
        let kind = match self.kind {
            CallerKind::User => "User",
            CallerKind::Role => "AssumedRole",
            CallerKind::Root => "Account",
            CallerKind::FederatedUser => "FederatedUser",
            CallerKind::Anonymous => "Anonymous",
            CallerKind::Service | CallerKind::Federated => "",
        };
        if !kind.is_empty() {
            self.keys.set("aws:PrincipalType", [kind]);
        }
        if self.kind.is_aws() {
            self.keys.set("aws:PrincipalArn", [self.arn.as_str()]);
            self.keys.set("aws:PrincipalAccount", [self.account.as_str()]);
            self.keys.set("kms:CallerAccount", [self.account.as_str()]);
        } else {
            for key in ["aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalOrgID", "aws:username"] {
                self.keys.set(key, none);
            }
        }
        match self.kind {
            CallerKind::Service => self.keys.set("aws:PrincipalServiceName", [self.arn.as_str()]),
            // AWS, "Principal key values": the root user's id is its account's.
            CallerKind::Root => self.keys.set("aws:userid", [self.account.as_str()]),
            _ => {}
        }
        if self.kind != CallerKind::Service {
            self.keys.set("aws:PrincipalServiceName", none);
        }
        if self.kind == CallerKind::User {
            self.keys.set("aws:username", [self.arn.rsplit('/').next().unwrap_or_default()]);
        } else {
            self.keys.set("aws:username", none);
        }
    }

    /// The layers that a `NotPrincipal` must all list.
    fn layers_of_identity(&self) -> Vec<IdentityLayer> {
        match self.kind {
            CallerKind::User => vec![IdentityLayer::Itself, IdentityLayer::Account],
            CallerKind::Role | CallerKind::FederatedUser => {
                vec![IdentityLayer::Itself, IdentityLayer::Behind, IdentityLayer::Account]
            }
            _ => vec![IdentityLayer::Itself],
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Resource {
    text: String,
    /// All resources that a pattern names, where the question is about a pattern and not about one resource.
    pattern: Option<ArnPattern>,
    account: Option<String>,
    keys: Context,
}

impl Resource {
    /// A resource by its ARN; `*` for actions that take none. With wildcards in it, all resources it stands for.
    pub fn new(arn: &str) -> Self {
        let parts = split(arn);
        let account = parts.map(|p| p[4].to_owned()).filter(|a| !a.is_empty());
        let pattern = (arn != "*" && arn.contains(['*', '?'])).then(|| ArnPattern::new(arn));
        let resource = Self { text: arn.to_owned(), pattern, account: None, keys: Context::new() };
        match account {
            Some(account) => resource.in_account(&account),
            None => resource,
        }
    }
    /// What a request carries, word for word: a star in it is a star.
    pub fn literal(arn: &str) -> Self {
        Self { pattern: None, ..Self::new(arn) }
    }
    /// The account it stands in, where its ARN does not tell (S3).
    #[must_use]
    pub fn in_account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self.keys.set("aws:ResourceAccount", [account]);
        if self.text.split(':').nth(2) == Some("s3") {
            self.keys.set("s3:ResourceAccount", [account]);
        }
        self
    }
    /// A condition key that follows from the resource, `aws:ResourceTag/team`.
    pub fn set_key<T: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.keys.set(key, values);
    }
    /// Says that all of its keys that begin so are known, `aws:ResourceTag/`.
    pub fn close_keys(&mut self, beginning: &str) {
        self.keys.close(beginning);
    }
    /// What is known of a key of its own, which is given in lower case.
    pub fn key(&self, key: &str) -> Known<'_> {
        self.keys.get(key)
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// One request.
pub struct Request<'a> {
    pub caller: &'a Caller,
    pub action: &'a ActionName,
    pub resource: &'a Resource,
    /// What else is known; it comes before what follows from caller and resource.
    pub context: &'a Context,
}

impl Keys for Request<'_> {
    fn get(&self, key: &str) -> Known<'_> {
        let mut known = self.caller.keys.get(key);
        // STS answers in every region: which one is asked is the caller's choice, wherever the role stands.
        let elsewhere = self.action.service() == "sts" && key == "aws:requestedregion";
        // "Granting a user permissions to pass a role": what its tags say is not relied on.
        let tags = || ["aws:resourcetag/", "iam:resourcetag/"].iter().any(|tags| key.starts_with(tags));
        let is_open = elsewhere || self.action.as_str() == "iam:passrole" && tags();
        let of_resource = (!is_open).then_some(&self.resource.keys);
        for more in of_resource.into_iter().chain([self.context]) {
            match more.get(key) {
                Known::Unknown => {}
                // A complete context says of keys it does not name that they are absent; those known otherwise are not.
                Known::Absent if known != Known::Unknown => {}
                better => known = better,
            }
        }
        known
    }
}

impl Request<'_> {
    fn resource_in(&self, pattern: &ArnPattern) -> Truth {
        if pattern.is_all() {
            return Truth::Yes;
        }
        match &self.resource.pattern {
            None => Truth::of(pattern.matches(&self.resource.text)),
            Some(asked) if !pattern.overlaps(asked) => Truth::No,
            Some(asked) if covers(pattern, asked) == Ok(true) => Truth::Yes,
            Some(_) => Truth::Maybe,
        }
    }
}

/// The policies that apply to a request.
#[derive(Clone, Copy, Default)]
pub struct Layers<'a> {
    /// Of the user or role: inline, managed, and for a user its groups'.
    pub identity: &'a [&'a Compiled],
    pub boundary: Option<&'a Compiled>,
    /// The policies passed when the session was made; none where none were.
    pub session: Option<&'a [&'a Compiled]>,
    /// Service control policies of the caller's account, a list for each level from the root down to the account. Empty
    /// outside an organisation and for its management account.
    pub scps: &'a [Vec<&'a Compiled>],
    /// Resource control policies over the resource, by level. `RCPFullAWSAccess` is always attached and need not be named.
    pub rcps: &'a [Vec<&'a Compiled>],
    pub resource: ResourcePolicy<'a>,
}

/// The policy on the resource itself.
#[derive(Clone, Copy, Default)]
pub enum ResourcePolicy<'a> {
    /// It has none.
    #[default]
    None,
    /// Not read. What it may add or refuse is not known.
    Unknown,
    Is(&'a Compiled),
}

/// Where a policy stands in the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Level, from the root down, from 0.
    Scp(usize),
    Rcp(usize),
    /// The resource's own policy, a role's trust policy among them.
    Resource,
    Identity,
    Boundary,
    Session,
}

impl Layer {
    pub fn word(self) -> String {
        match self {
            Self::Scp(level) => format!("service control policies, level {}", level + 1),
            Self::Rcp(level) => format!("resource control policies, level {}", level + 1),
            Self::Resource => "the resource's policy".to_owned(),
            Self::Identity => "identity policies".to_owned(),
            Self::Boundary => "the permissions boundary".to_owned(),
            Self::Session => "the session policy".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    Allowed,
    /// `explicit`: by a Deny statement, else because nothing allows it.
    Denied {
        explicit: bool,
    },
    /// On what is not known of the request.
    Depends,
}

/// What a walk over the policies leaves behind.
trait Trace {
    /// A statement that speaks of the request: yes, or maybe. `delegates`: it only leaves it to the caller's own policies.
    fn hit(&mut self, layer: Layer, policy: &Compiled, statement: usize, truth: Truth, delegates: bool);
    /// A layer that must allow, and whether it does.
    fn needs(&mut self, layer: Layer, allows: Truth);
    /// What decides where no statement does, as a sentence.
    fn says(&mut self, why: &'static str);
    /// Whether all must be looked at, even when the outcome is settled.
    const THOROUGH: bool;
}

impl Trace for () {
    fn hit(&mut self, _: Layer, _: &Compiled, _: usize, _: Truth, _: bool) {}
    fn needs(&mut self, _: Layer, _: Truth) {}
    fn says(&mut self, _: &'static str) {}
    const THOROUGH: bool = false;
}

/// The decision alone, fast.
pub fn decide(request: &Request<'_>, layers: &Layers<'_>) -> Decision {
    walk(request, layers, &mut ())
}

/// Services whose resources RCPs reach (AWS Organizations: "Resource control policies", list of services).
const RCP_SERVICES: &[&str] =
    &["s3", "sts", "sqs", "kms", "secretsmanager", "ecr", "aoss", "cognito-idp", "cognito-identity", "logs", "dynamodb"];

/// Whether an action is about a role's trust, which must allow it itself.
fn is_of_trust(action: &ActionName) -> bool {
    action.service() == "sts"
        && (action.name().starts_with("assumerole") || matches!(action.name(), "tagsession" | "setsourceidentity"))
}

/// What no policy decides, by who asks for what.
fn by_nature<T: Trace>(caller: &Caller, action: &ActionName, trace: &mut T) -> Option<Decision> {
    let (allowed, why) = match (action.as_str(), caller.kind) {
        // AWS STS, AssumeRole: it is called with credentials; tokens and assertions have calls of their own.
        ("sts:getcalleridentity" | "sts:assumerole", CallerKind::Anonymous) => {
            (false, "Anonymous callers cannot call STS, whatever a policy allows: a request to it is signed by a user or role.")
        }
        ("sts:assumerole", CallerKind::Federated) => {
            (false, "Tokens and assertions have calls of their own: sts:AssumeRoleWithWebIdentity and sts:AssumeRoleWithSAML.")
        }
        // AWS STS, GetCallerIdentity: it needs no permission, and a deny does not stop it.
        ("sts:getcalleridentity", _) => (true, "Whoever has credentials of AWS may call it: no policy allows or denies it."),
        // AWS STS, GetSessionToken: policies cannot control it for users, and nobody else has the long-term credentials that it is
        // called with.
        ("sts:getsessiontoken", CallerKind::User | CallerKind::Root) => {
            (true, "Every user may call it for itself: no policy allows or denies it.")
        }
        ("sts:getsessiontoken", _) => (false, "It is called with the access keys of a user: nobody else has any."),
        // AWS STS, AssumeRole: the root user cannot call it.
        (_, CallerKind::Root) if is_of_trust(action) => {
            (false, "The root user of an account cannot assume roles: its users and roles can.")
        }
        _ => return None,
    };
    trace.says(why);
    Some(if allowed { Decision::Allowed } else { Decision::Denied { explicit: false } })
}

fn walk<T: Trace>(request: &Request<'_>, layers: &Layers<'_>, trace: &mut T) -> Decision {
    let caller = request.caller;
    let action = request.action;
    if let Some(decision) = by_nature(caller, action, trace) {
        return decision;
    }
    let trust = is_of_trust(action);
    let must_grant = trust || is_left_to_key(action, request.resource);
    let organised = caller.kind.is_aws() && !caller.is_service_linked();
    let bounded = layers.boundary.is_some();

    let mut deny = Truth::No;
    let mut allowed = Truth::Yes;
    if organised {
        for (level, policies) in layers.scps.iter().enumerate() {
            let found = scan(Layer::Scp(level), policies, request, trace);
            trace.needs(Layer::Scp(level), found.allow);
            deny = deny.or(found.deny);
            allowed = allowed.and(found.allow);
        }
    }
    // AWS KMS, "Resource control policies in AWS KMS": retiring a grant is out of their reach.
    let reached = RCP_SERVICES.contains(&action.service()) && action.as_str() != "kms:retiregrant";
    if reached && !caller.is_service_linked() {
        for (level, policies) in layers.rcps.iter().enumerate() {
            // RCPFullAWSAccess cannot be detached, so only denies count.
            deny = deny.or(scan(Layer::Rcp(level), policies, request, trace).deny);
        }
    }
    if !T::THOROUGH && deny == Truth::Yes {
        return Decision::Denied { explicit: true };
    }

    let mut grant = Grants::default();
    match layers.resource {
        ResourcePolicy::None => {}
        ResourcePolicy::Unknown => grant.unknown = true,
        ResourcePolicy::Is(policy) => deny = deny.or(grant.read(policy, request, bounded, trace)),
    }

    let identity = match caller.kind {
        CallerKind::Root => Found { deny: Truth::No, allow: Truth::Yes },
        kind if kind.is_aws() => scan(Layer::Identity, layers.identity, request, trace),
        _ => Found { deny: Truth::No, allow: Truth::No },
    };
    let boundary = layers.boundary.map(|b| scan(Layer::Boundary, &[b], request, trace));
    let session = layers.session.map(|s| scan(Layer::Session, s, request, trace));
    let open = Found { deny: Truth::No, allow: Truth::Yes };
    let (limit_b, limit_s) = (boundary.unwrap_or(open), session.unwrap_or(open));
    deny = deny.or(identity.deny).or(limit_b.deny).or(limit_s.deny);

    let limits = limit_b.allow.and(limit_s.allow);
    let own = identity.allow.and(limits);
    let same_account = match &request.resource.account {
        Some(account) => *account == caller.account,
        None => caller.kind.is_aws(),
    };
    let unknown = if grant.unknown { Truth::Maybe } else { Truth::No };
    // A role session's own policies limit what names the session, too. A federated user's add to it (AWS STS,
    // GetFederationToken: permissions of resource policies that name the session are in addition).
    let direct = if caller.kind == CallerKind::Role { grant.direct.and(limit_s.allow) } else { grant.direct };
    let granted = if !caller.kind.is_aws() {
        grant.direct.or(unknown)
    } else if same_account {
        let delegated = if must_grant { grant.account.or(grant.behind).or(unknown).and(own) } else { own };
        let unseen = if must_grant { unknown } else { Truth::No };
        delegated.or(direct).or(grant.behind.and(limits)).or(unseen.and(own))
    } else {
        own.and(grant.direct.or(grant.behind).or(grant.account).or(unknown))
    };
    if T::THOROUGH {
        let by_resource = grant.direct.or(grant.behind).or(grant.account).or(unknown);
        if must_grant || !same_account || !caller.kind.is_aws() {
            trace.needs(Layer::Resource, by_resource);
        }
        let by_grant = same_account && grant.direct == Truth::Yes;
        if caller.kind.is_aws() && !by_grant {
            trace.needs(Layer::Identity, identity.allow);
            if boundary.is_some() {
                trace.needs(Layer::Boundary, limit_b.allow);
            }
        }
        if session.is_some() && caller.kind.is_aws() && !(by_grant && direct == grant.direct) {
            trace.needs(Layer::Session, limit_s.allow);
        }
    }
    if caller.kind == CallerKind::Root && same_account {
        trace.says("The root user may do what no service or resource control policy and no policy of the resource denies.");
    }
    match (deny, allowed.and(granted)) {
        (Truth::Yes, _) => Decision::Denied { explicit: true },
        (_, Truth::No) => Decision::Denied { explicit: false },
        (Truth::No, Truth::Yes) => Decision::Allowed,
        _ => Decision::Depends,
    }
}

/// Whether a KMS key's own policy must allow it, or leave it to the account.
pub(crate) fn is_left_to_key(action: &ActionName, resource: &Resource) -> bool {
    action.service() == "kms" && split(resource.as_str()).is_some_and(|p| p[2] == "kms" && p[5].starts_with("key/"))
}

#[derive(Clone, Copy)]
struct Found {
    deny: Truth,
    allow: Truth,
}

/// What a list of policies, any of which may allow, says of a request.
fn scan<T: Trace>(layer: Layer, policies: &[&Compiled], request: &Request<'_>, trace: &mut T) -> Found {
    let mut found = Found { deny: Truth::No, allow: Truth::No };
    for policy in policies {
        for (i, s) in policy.statements.iter().enumerate() {
            let settled = match s.effect {
                Effect::Deny => found.deny,
                Effect::Allow => found.allow,
            };
            if !T::THOROUGH && settled == Truth::Yes {
                continue;
            }
            let truth = fits(s, request);
            if truth == Truth::No {
                continue;
            }
            trace.hit(layer, policy, i, truth, false);
            match s.effect {
                Effect::Deny => found.deny = found.deny.or(truth),
                Effect::Allow => found.allow = found.allow.or(truth),
            }
        }
    }
    found
}

fn fits(s: &CompiledStatement, request: &Request<'_>) -> Truth {
    if !s.acts(request.action) {
        return Truth::No;
    }
    match s.covers(request) {
        Truth::No => Truth::No,
        covers => covers.and(s.hold(request)),
    }
}

/// What the resource's policy grants, by how far it reaches.
struct Grants {
    direct: Truth,
    behind: Truth,
    account: Truth,
    unknown: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self { direct: Truth::No, behind: Truth::No, account: Truth::No, unknown: false }
    }
}

impl Grants {
    /// Reads the policy's grants; returns what it denies.
    fn read<T: Trace>(&mut self, policy: &Compiled, request: &Request<'_>, bounded: bool, trace: &mut T) -> Truth {
        let mut deny = Truth::No;
        for (i, s) in policy.statements.iter().enumerate() {
            let fit = fits(s, request);
            if fit == Truth::No {
                continue;
            }
            let (speaks, reach) = s.speaks_of(request.caller, bounded);
            let truth = fit.and(speaks);
            if truth == Truth::No {
                continue;
            }
            trace.hit(Layer::Resource, policy, i, truth, reach == Reach::Account);
            match (s.effect, reach) {
                (Effect::Deny, _) => deny = deny.or(truth),
                (Effect::Allow, Reach::Direct) => self.direct = self.direct.or(truth),
                (Effect::Allow, Reach::Behind) => self.behind = self.behind.or(truth),
                (Effect::Allow, Reach::Account) => self.account = self.account.or(truth),
            }
        }
        deny
    }
}
