//! Questions to an account: who may do what, and why. It lays the policies around a request: those of whoever asks, those
//! over the accounts, and the resource's own; what they come to is `evaluate`'s work.

use std::collections::BTreeSet;

use super::{Account, AskError, Principal, Problem};
use crate::iam::evaluate::{
    ActionName, Answer, Caller, CallerKind, Compiled, Context, Decision, Dependence, Layer, Layers, Request, Resource,
    ResourcePolicy, decide, explain,
};
use crate::iam::facts::{ResourceType, facts, held_against, is_service, only_region};
use crate::iam::policy::{Effect, PrincipalKind};
use crate::iam::resources::Held;
use crate::iam::strangers::{account_of, everything, in_organization};
use crate::model::arn::{is_whole, short};
use crate::text;

/// Services whose resources carry policies (AWS: "AWS services that work with IAM", resource-based policies), of those
/// that people ask about most.
const CARRY_POLICIES: &[&str] = &[
    "s3",
    "kms",
    "sqs",
    "sns",
    "lambda",
    "secretsmanager",
    "ecr",
    "dynamodb",
    "elasticfilesystem",
    "es",
    "glue",
    "backup",
    "events",
    "kinesis",
    "execute-api",
    "codeartifact",
    "glacier",
    "logs",
    "ses",
    "s3express",
];

/// Who is meant by a name that is no user's or role's of an account that was read, as [`Account::can_outsider`] takes it. The
/// digits of an account mean whoever is of it; of one that was read, whose users and roles can be asked about, its root user.
pub fn outsider(name: &str, read: impl Fn(&str) -> bool) -> Option<String> {
    let of_other = || name.split(':').nth(4).is_some_and(|id| !read(id));
    match account_of(name) {
        Some(id) if id == name && read(id) => Some(format!("arn:aws:iam::{id}:root")),
        Some(id) if id == name => Some(id.to_owned()),
        _ if name.contains(":oidc-provider/") || name.contains(":saml-provider/") => Some(name.to_owned()),
        _ if name == "everyone" => Some("*".to_owned()),
        _ if name == "root" || name.ends_with(":root") || name == "*" || is_service(name) || of_other() => Some(name.to_owned()),
        _ => None,
    }
}

/// Whether it may be a token's subject or the name of a delivery system: ways are asked of those, and no single actions.
pub fn is_claim(name: &str) -> bool {
    !name.starts_with("arn:") && name.contains([':', ' '])
}

/// Tells when a session began.
pub(super) const ISSUED: &str = "aws:TokenIssueTime";
pub(super) const TLS: &str = "aws:SecureTransport";
/// What is known of those who act ([`Account::ask_at`]), and left open of one request.
const LEFT_OPEN: [&str; 4] = ["aws:CurrentTime", "aws:EpochTime", ISSUED, TLS];

impl Account {
    /// Whether a resource may have a policy of its own that was not read.
    pub fn is_blind(&self, arn: &str) -> bool {
        let service = arn.split(':').nth(2).unwrap_or_default();
        CARRY_POLICIES.contains(&service) && !self.resources.find(arn).is_some_and(Held::is_known)
    }

    /// What answers do without, in sentences; empty where everything is known.
    ///
    /// Where one is asked about, what is somebody else's and could not be read does not count.
    pub fn gaps(&self, who: Option<&Principal>, resource: &str) -> Vec<String> {
        let own = who.map(|who| {
            let groups = who.groups.iter().map(|g| format!("group/{g}"));
            let kind = if who.is_role { "role" } else { "user" };
            groups.chain([format!("{kind}/{}", who.name), short(resource).to_owned()]).collect::<Vec<_>>()
        });
        // What names nobody, such as a control that was not read, is everybody's.
        let is_somebody = |word: &&str| ["user/", "role/", "group/"].iter().any(|kind| word.starts_with(kind));
        let counts = |p: &&Problem| {
            let words = || p.policy.split(' ').chain(p.why.split([' ', ',', ':'])).filter(is_somebody);
            own.as_ref().is_none_or(|own| words().next().is_none() || words().any(|word| own.iter().any(|o| o == word)))
        };
        let problems = self.problems.iter().filter(counts).map(|p| format!("{}: {}.", p.policy, p.why));
        let mut gaps: Vec<String> = self.lacking.iter().cloned().chain(problems).collect();
        if self.organization().is_none() {
            gaps.push(
                "No organisation is known: if there is one, its service and resource control policies are left out.".into(),
            );
        }
        gaps.extend(self.unread(resource));
        gaps
    }

    /// What is not known of a resource's own policy, in sentences.
    pub fn unread(&self, resource: &str) -> Vec<String> {
        let blind = self.is_blind(resource).then(|| format!("The policy of {resource} was not read: it may allow or deny more."));
        let statements = self.resources.find(resource).and_then(Held::policy).map(|p| p.policy.statements.as_slice());
        let principals = statements.unwrap_or_default().iter().flat_map(|s| &s.principal).flat_map(|p| &p.principals);
        let canonical = principals.filter(|p| p.kind == PrincipalKind::CanonicalUser).map(|p| p.value.text.as_str());
        let canonical = canonical
            .collect::<BTreeSet<&str>>()
            .into_iter()
            .map(|id| format!("The policy of {resource} names the canonical user {id}: whose account that is, is not known."));
        blind.into_iter().chain(canonical).collect()
    }

    /// Whose a resource is, where that is known: a bucket's ARN does not tell.
    pub fn owner<'a>(&'a self, arn: &'a str) -> Option<&'a str> {
        let named = arn.split(':').nth(4).filter(|account| !account.is_empty());
        named.or_else(|| self.resources.find(arn).map(|held| held.account.as_str()))
    }

    /// Whether a principal may do something, and why.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn can(&self, principal: &str, action: &str, resource: &str, context: &Context) -> Result<Answer, AskError> {
        self.can_within(None, principal, action, resource, context)
    }

    /// As [`Self::can`], in a session that was made with session policies.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn can_within(
        &self,
        session_policies: Option<&[Compiled]>,
        principal: &str,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Answer, AskError> {
        let made_with: Option<Vec<&Compiled>> = session_policies.map(|all| all.iter().collect());
        let at = self.principal(principal)?;
        let action = ask_action(action)?;
        let session = principal.contains(":assumed-role/").then(|| {
            let mut caller = self.principals[at].caller.clone();
            caller.session = Some(principal.to_owned());
            let name = principal.rsplit('/').next().unwrap_or_default();
            if !caller.id.is_empty() {
                caller.keys.set("aws:userid", [format!("{}:{name}", caller.id)]);
            }
            caller
        });
        let mut caller = session.unwrap_or_else(|| self.principals[at].caller.clone());
        leave_open(&mut caller);
        let caller = &caller;
        let asked = self.asked(&action, &self.named(resource)?);
        Ok(on_each(&asked, |resource| {
            self.with_layers(&self.principals[at], &action, resource, None, |layers, resource| {
                let layers = Layers { session: made_with.as_deref(), ..*layers };
                explain(&Request { caller, action: &action, resource, context }, &layers)
            })
        }))
    }

    /// As [`Self::can`], for one who is no user or role of the account: `root` or the ARN of its root user, `*` for whoever has
    /// no account, an AWS service (`lambda.amazonaws.com`), an identity provider, somebody of another account, of whose own
    /// policies nothing is known, or another account by its digits.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn can_outsider(&self, who: &str, action: &str, resource: &str, context: &Context) -> Result<Answer, AskError> {
        let caller = match who {
            id if account_of(id) == Some(id) => return self.can_some_of(id, action, resource, context),
            "root" => Caller::new(&format!("arn:{}:iam::{}:root", self.partition(), self.id)),
            arn if arn.starts_with("arn:") => Caller::new(arn),
            name if name == "*" || is_service(name) => Caller::new(name),
            // Whoever is neither is told what there is.
            name => return self.principal(name).and_then(|_| self.can(name, action, resource, context)),
        };
        // Policies write an account as its root user, and as a role's caller nobody can mean that one.
        if caller.kind == CallerKind::Root && caller.account != self.id && becomes(action) {
            let mut answer = self.can_some_of(&caller.account, action, resource, context)?;
            answer.why.insert(0, ROOT_IS_ACCOUNT.to_owned());
            return Ok(answer);
        }
        self.as_outsider(&caller, action, resource, context)
    }

    /// As [`Self::can_outsider`], for another account: whether whoever of it fares best may do it. That is its root user where
    /// the account itself is let in, else somebody of it of whom no more is known, else one that a policy names.
    fn can_some_of(&self, id: &str, action: &str, resource: &str, context: &Context) -> Result<Answer, AskError> {
        let arn = |rest: &str| format!("arn:{}:iam::{id}:{rest}", self.partition());
        let is_denied = |answer: &Answer| matches!(answer.decision, Decision::Denied { .. });
        let mut root = self.as_outsider(&Caller::new(&arn("root")), action, resource, context)?;
        if !is_denied(&root) {
            root.why.extend((!root.because.is_empty()).then(|| ACCOUNT_GIVES.to_owned()));
            return Ok(root);
        }
        // No role has such a name.
        let mut somebody = Caller::new(&arn("role/(somebody)"));
        for key in ["aws:PrincipalArn", "aws:PrincipalType", "aws:username"] {
            somebody.keys.forget(key);
        }
        let anybody = self.as_outsider(&somebody, action, resource, context)?;
        if !is_denied(&anybody) {
            return Ok(anybody);
        }
        for one in self.of_account_named(id, &self.named(resource)?) {
            let mut answer = self.as_outsider(&Caller::new(&one), action, resource, context)?;
            if is_denied(&answer) {
                continue;
            }
            let by = answer.because.iter().find(|b| b.effect == Effect::Allow && b.layer == Layer::Resource);
            let (policy, statement) = by.map(|b| (b.policy.clone(), b.statement.clone())).unwrap_or_default();
            let condition = format!("it is {one}");
            answer.depends.push(Dependence { key: "the principal".to_owned(), condition, effect: "Allow", policy, statement });
            return Ok(answer);
        }
        Ok(anybody)
    }

    /// Users and roles of another account that the policy of a resource names, by their ARNs.
    fn of_account_named(&self, id: &str, resource: &str) -> BTreeSet<String> {
        let trust = self.by_arn.get(resource).and_then(|at| self.principals[*at].trust).map(|at| &self.policies[at]);
        let read = self.resources.trust(resource);
        let held = self.resources.find(resource).and_then(Held::policy);
        let policies = trust.into_iter().chain(read.as_deref()).chain(held);
        let named = policies.flat_map(|p| &p.policy.statements).flat_map(|s| &s.principal).flat_map(|p| &p.principals);
        let arns = named.map(|p| p.value.text.as_str()).filter(|arn| arn.starts_with("arn:") && account_of(arn) == Some(id));
        arns.filter(|arn| !arn.ends_with(":root")).map(str::to_owned).collect()
    }

    /// As [`Self::can_outsider`], for a caller.
    fn as_outsider(&self, caller: &Caller, action: &str, resource: &str, context: &Context) -> Result<Answer, AskError> {
        let action = ask_action(action)?;
        let asked = self.named(resource)?;
        // Whether it is of the organisation is known where that is; what is said of the request counts before it.
        let other = caller.account != self.id;
        let context = &if other { in_organization(&self.resources, caller).and(context) } else { context.clone() };
        let own: Vec<Compiled> = match caller.kind {
            CallerKind::User | CallerKind::Role | CallerKind::FederatedUser => vec![unread("its own policies")],
            _ => Vec::new(),
        };
        let own: Vec<&Compiled> = own.iter().collect();
        Ok(on_each(&self.asked(&action, &asked), |resource| {
            self.around(caller, (&own, None), &action, resource, None, |layers, resource| {
                explain(&Request { caller, action: &action, resource, context }, layers)
            })
        }))
    }

    /// Every principal that may do something, or may under conditions, with the reasons, in the account's order.
    ///
    /// # Errors
    /// [`AskError::NoAction`]
    pub fn who_can(&self, action: &str, resource: &str, context: &Context) -> Result<Vec<(usize, Answer)>, AskError> {
        let action = ask_action(action)?;
        let asked = self.named(resource)?;
        let taken = self.asked(&action, &asked);
        let mut all = Vec::new();
        for (at, p) in self.principals.iter().enumerate() {
            let mut caller = p.caller.clone();
            leave_open(&mut caller);
            let ask = |resource: &Resource, why: bool| {
                self.with_layers(p, &action, resource, None, |layers, resource| {
                    let request = Request { caller: &caller, action: &action, resource, context };
                    let allowed = !matches!(decide(&request, layers), Decision::Denied { .. });
                    (allowed || why).then(|| explain(&request, layers))
                })
            };
            // Of most it is asked once, and refused.
            if !taken.iter().any(|taken| ask(&taken.resource, false).is_some()) {
                continue;
            }
            let answer = on_each(&taken, |resource| ask(resource, true).unwrap_or_else(Answer::refused));
            all.extend((!matches!(answer.decision, Decision::Denied { .. })).then_some((at, answer)));
        }
        Ok(all)
    }

    /// The decision alone, for a principal as it is or as it may make itself.
    pub(crate) fn decision(&self, who: &Principal, action: &ActionName, resource: &Resource, context: &Context) -> Decision {
        self.with_layers(who, action, resource, None, |layers, resource| {
            decide(&Request { caller: &who.caller, action, resource, context }, layers)
        })
    }

    /// What whoever may do everything by its own policies may do, as one of the principals or as somebody new: the guardrails
    /// over the account still hold.
    pub(crate) fn decision_for_administrator(
        &self,
        at: Option<usize>,
        action: &ActionName,
        resource: &Resource,
        context: &Context,
    ) -> Decision {
        self.as_administrator(at, (action, resource, context), None)
    }

    /// As if one of the principals, or somebody new where none is named, were allowed everything by its own policies.
    fn as_administrator(
        &self,
        at: Option<usize>,
        (action, resource, context): (&ActionName, &Resource, &Context),
        trust: Option<&Compiled>,
    ) -> Decision {
        let mut made = Caller::new(&self.somebody());
        if let Some(id) = self.organization() {
            made.keys.set("aws:PrincipalOrgID", [id]);
        }
        let caller = at.map_or(&made, |at| &self.principals[at].caller);
        self.around(caller, (&[everything()], None), action, resource, trust, |layers, resource| {
            decide(&Request { caller, action, resource, context }, layers)
        })
    }

    /// The ARN of one who is nobody yet, as whom an administrator may act.
    pub(crate) fn somebody(&self) -> String {
        format!("arn:{}:iam::{}:user/administrator", self.partition(), self.id)
    }

    /// `aws`, `aws-cn`, `aws-us-gov`
    pub(crate) fn partition(&self) -> &str {
        self.principals.first().and_then(|p| p.arn.split(':').nth(1)).unwrap_or("aws")
    }

    /// The regions that policies name, and one that none does.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().map(String::as_str).chain(["elsewhere-1"])
    }

    /// The decision where the region that is asked is the caller's choice: of those that policies name, the best.
    pub(crate) fn in_best_region(&self, decide: impl Fn(&Context) -> Decision) -> Decision {
        let plain = decide(&Context::new());
        let tried = || self.regions().map(|region| decide(&Context::new().with("aws:RequestedRegion", [region])));
        match plain {
            Decision::Depends => tried().find(|decision| *decision == Decision::Allowed).unwrap_or(plain),
            plain => plain,
        }
    }

    /// Whether one of the principals may do something in another account: its own side, the other, and what lies over either.
    /// `trust`: of the role that it is done to, where that is one.
    pub(crate) fn crosses(&self, at: usize, action: &ActionName, resource: &Resource, trust: Option<&Compiled>) -> Decision {
        let who = &self.principals[at];
        let caller = &who.caller;
        self.with_layers(who, action, resource, trust, |layers, resource| {
            self.in_best_region(|context| decide(&Request { caller, action, resource, context }, layers))
        })
    }

    /// As [`Self::crosses`], for an administrator of the account who acts as one of its principals, or as somebody new: it
    /// gives either what it needs.
    pub(crate) fn administrator_crosses(
        &self,
        at: Option<usize>,
        action: &ActionName,
        resource: &Resource,
        trust: Option<&Compiled>,
    ) -> Decision {
        self.in_best_region(|context| self.as_administrator(at, (action, resource, context), trust))
    }

    /// What is meant by a resource as people name it: an ARN, `role/name` and `user/name` of this account, `*` for none or any.
    ///
    /// # Errors
    /// [`AskError::NoResource`], [`AskError::NoPrincipal`]
    pub fn named(&self, resource: &str) -> Result<String, AskError> {
        if resource == "*" || is_whole(resource) {
            return Ok(resource.to_owned());
        }
        if resource.starts_with("arn:") {
            return Err(AskError::NoResource(resource.chars().take(200).collect()));
        }
        if resource.starts_with("role/") || resource.starts_with("user/") {
            return Ok(self.principals[self.principal(resource)?].arn.clone());
        }
        if let Some((group, _)) = self.members(resource) {
            return Ok(group);
        }
        Err(AskError::NoResource(resource.chars().take(200).collect()))
    }

    /// A group by `group/NAME` or its ARN: its ARN, and who is in it.
    pub fn members(&self, group: &str) -> Option<(String, Vec<usize>)> {
        let found = self.groups.iter().find(|g| g.arn == group || group.strip_prefix("group/") == Some(g.name.as_str()))?;
        let is_in = |at: &usize| self.principals[*at].groups.contains(&found.name);
        Some((found.arn.clone(), (0..self.principals.len()).filter(is_in).collect()))
    }

    /// What a request is held against: a few actions that name no resource are so against an ARN.
    fn asked(&self, action: &ActionName, resource: &str) -> Vec<Taken> {
        let alone = |resource: Resource| vec![Taken { resource, required: true }];
        if resource != "*" {
            let mut named = self.resource(resource);
            // Whose permissions are changed has a boundary, or none; of whom is made or bound, the request says which.
            let at = self.place(resource).filter(|_| action.service() == "iam" && !SAY_BOUNDARY.contains(&action.name()));
            if let Some(at) = at {
                named.set_key("iam:PermissionsBoundary", self.principals[at].boundary.map(|b| self.policies[b].arn.as_str()));
            }
            return alone(named);
        }
        if let Some(arn) = held_against(action.as_str()) {
            let arn = arn.replacen(":aws:", &format!(":{}:", self.partition()), 1);
            return alone(self.placed(Resource::literal(&arn), &arn));
        }
        let placed = |arn: &str| {
            let mut asked = self.resource(arn);
            // Where the service answers is known, whatever it is asked for.
            if let Some(region) = only_region(action.service(), self.partition()) {
                asked.set_key("aws:RequestedRegion", [region]);
            }
            asked
        };
        let known = facts().action(action.as_str());
        let types = known.into_iter().flat_map(|(service, action)| service.takes(action));
        let taken: Vec<Taken> = types.map(|(of, required)| Taken { resource: placed(&self.pattern_of(of)), required }).collect();
        if taken.is_empty() { alone(placed("*")) } else { taken }
    }

    /// All resources of a type in this account.
    pub(crate) fn pattern_of(&self, of: &ResourceType) -> String {
        text::fill(of.arn, |blank| match blank {
            "Partition" => self.partition().to_owned().into(),
            "Account" => self.id.clone().into(),
            _ => "*".into(),
        })
    }

    /// A resource of this account, unless its ARN says otherwise.
    pub fn resource(&self, arn: &str) -> Resource {
        self.placed(Resource::new(arn), arn)
    }

    fn placed(&self, resource: Resource, arn: &str) -> Resource {
        let named = arn.split(':').nth(4).is_some_and(|a| !a.is_empty());
        // Whose a bucket is that was not read, is not known.
        let is_open = arn.split(':').nth(2) == Some("s3") && self.owner(arn).is_none();
        let owner = self.owner(arn).unwrap_or(&self.id);
        let mut resource = if named || is_open { resource } else { resource.in_account(owner) };
        // A call goes to the region where the resource stands.
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let of_arn = parts.get(3).copied().filter(|region| !region.is_empty() && !region.contains(['*', '?']));
        let of_bucket = || self.resources.find(arn).map(|held| held.region.as_str()).filter(|region| !region.is_empty());
        let global = || parts.get(2).and_then(|service| only_region(service, parts[1]));
        if let Some(region) = of_arn.or_else(of_bucket).or_else(global) {
            resource.set_key("aws:RequestedRegion", [region]);
        }
        if let Some(organization) = self.organization().filter(|_| !is_open && (owner == self.id || self.resources.lists(owner)))
        {
            resource.set_key("aws:ResourceOrgID", [organization]);
        }
        if let Some(at) = self.by_arn.get(arn) {
            resource.close_keys("aws:ResourceTag/");
            resource.close_keys("iam:ResourceTag/");
            for (key, value) in &self.principals[*at].tags {
                resource.set_key(&format!("aws:ResourceTag/{key}"), [value.as_str()]);
                resource.set_key(&format!("iam:ResourceTag/{key}"), [value.as_str()]);
            }
        }
        resource
    }

    /// The layers that apply to one of the account's principals.
    fn with_layers<T>(
        &self,
        p: &Principal,
        action: &ActionName,
        resource: &Resource,
        trust: Option<&Compiled>,
        ask: impl FnOnce(&Layers<'_>, &Resource) -> T,
    ) -> T {
        let get = |i: &usize| &self.policies[*i];
        let mut identity: Vec<&Compiled> = p.policies.iter().map(get).collect();
        let unread: Vec<Compiled> = p.unread.iter().map(|name| unread(name)).collect();
        identity.extend(&unread);
        self.around(&p.caller, (&identity, p.boundary.as_ref().map(get)), action, resource, trust, ask)
    }

    /// The layers around the policies and the boundary of one who is of this account or of another. `trust`: of the role that
    /// is asked about, where that is at hand.
    fn around<T>(
        &self,
        caller: &Caller,
        (identity, boundary): (&[&Compiled], Option<&Compiled>),
        action: &ActionName,
        resource: &Resource,
        trust: Option<&Compiled>,
        ask: impl FnOnce(&Layers<'_>, &Resource) -> T,
    ) -> T {
        let get = |i: &usize| &self.policies[*i];
        let scps: Vec<Vec<&Compiled>> = match caller.account == self.id {
            true => self.scps.iter().map(|l| l.iter().map(get).collect()).collect(),
            false => Vec::new(),
        };
        // What lies over the resource is its own account's.
        let elsewhere = self.owner(resource.as_str()).filter(|owner| *owner != self.id);
        let rcps: Vec<Vec<&Compiled>> = match elsewhere {
            Some(owner) => self.resources.rcps(owner),
            None => self.rcps.iter().map(|l| l.iter().map(get).collect()).collect(),
        };
        let abroad = action.service() == "sts" && elsewhere.is_some() && trust.is_none();
        let read = abroad.then(|| self.resources.trust(resource.as_str())).flatten();
        let own = if action.service() == "sts" {
            let known = self.by_arn.get(resource.as_str()).and_then(|r| self.principals[*r].trust);
            known.as_ref().map(get).or(trust).or(read.as_deref()).map_or(ResourcePolicy::Unknown, ResourcePolicy::Is)
        } else if action.service() == "iam" {
            // Nothing of it but a role's trust carries a policy of its own, and that speaks of becoming it alone.
            ResourcePolicy::None
        } else {
            self.resources.find(resource.as_str()).map_or(ResourcePolicy::Unknown, |held| held.layer(caller))
        };
        let layers = Layers { identity, boundary, session: None, scps: &scps, rcps: &rcps, resource: own };
        ask(&layers, resource)
    }
}

/// What a request names: all resources of a type, where none is named.
struct Taken {
    resource: Resource,
    /// Every request names one of them.
    required: bool,
}

/// The answer for all that a request may name: each type that it must name has to be allowed, and where it may name one of
/// others it depends on which.
fn on_each(taken: &[Taken], mut ask: impl FnMut(&Resource) -> Answer) -> Answer {
    let mut answers: Vec<(&Taken, Answer)> = taken.iter().map(|taken| (taken, ask(&taken.resource))).collect();
    let is_denied = |answer: &Answer| matches!(answer.decision, Decision::Denied { .. });
    let refused = answers.iter().position(|(taken, answer)| taken.required && is_denied(answer));
    if let Some(at) = refused.or_else(|| answers.iter().all(|(_, answer)| is_denied(answer)).then_some(0)) {
        return answers.swap_remove(at).1;
    }
    let (refused, granted): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| is_denied(answer));
    let depends = !refused.is_empty() || granted.iter().any(|(_, answer)| answer.decision == Decision::Depends);
    let mut whole = Answer { decision: if depends { Decision::Depends } else { Decision::Allowed }, ..Answer::refused() };
    let by = granted.iter().find_map(|(_, answer)| answer.because.first()).cloned();
    for (_, answer) in granted {
        whole.because.extend(answer.because);
        whole.missing.extend(answer.missing);
        whole.depends.extend(answer.depends);
        whole.why.extend(answer.why);
    }
    let not_on = |explicit: bool| {
        let refused = refused.iter().filter(|(_, answer)| answer.decision == Decision::Denied { explicit });
        let (names, answers): (Vec<&str>, Vec<&Answer>) =
            refused.map(|(taken, answer)| (taken.resource.as_str(), answer)).unzip();
        let by = if explicit { answers.first()?.because.first() } else { by.as_ref() };
        let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
        (!names.is_empty()).then(|| Dependence {
            key: "the resource".to_owned(),
            condition: format!("the resource is {} {shown}{more}", if explicit { "one of" } else { "none of" }),
            effect: if explicit { "Deny" } else { "Allow" },
            policy: by.map(|by| by.policy.clone()).unwrap_or_default(),
            statement: by.map(|by| by.statement.clone()).unwrap_or_default(),
        })
    };
    whole.depends.extend([true, false].into_iter().filter_map(not_on));
    once(&mut whole.because);
    once(&mut whole.missing);
    once(&mut whole.depends);
    once(&mut whole.why);
    whole
}

/// Leaves each out that stands before already.
fn once<T: PartialEq>(all: &mut Vec<T>) {
    let mut kept: Vec<T> = Vec::new();
    for one in std::mem::take(all) {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    *all = kept;
}

/// Whether an action makes its caller a role, or goes with that: a root user becomes none.
fn becomes(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    action.starts_with("sts:assumerole") || ["sts:tagsession", "sts:setsourceidentity"].contains(&&*action)
}

const ROOT_IS_ACCOUNT: &str = "A root user cannot assume roles: the users and roles of its account are meant.";
const ACCOUNT_GIVES: &str =
    "The account itself is let in: which of its users and roles may do it, its own policies say, which were not read.";

/// Of requests for these of IAM's actions `iam:PermissionsBoundary` is what they say, not what is there.
const SAY_BOUNDARY: [&str; 4] = ["createuser", "createrole", "putuserpermissionsboundary", "putrolepermissionsboundary"];

/// What a question is for whoever asks it to say is not known of the one who is asked about.
fn leave_open(caller: &mut Caller) {
    LEFT_OPEN.iter().for_each(|key| caller.keys.forget(key));
}

/// What a policy that was not read does: perhaps everything, perhaps nothing.
fn unread(name: &str) -> Compiled {
    Compiled::unread("the policy", name, "", &[Effect::Allow, Effect::Deny])
}

fn ask_action(action: &str) -> Result<ActionName, AskError> {
    let whole = action.split_once(':').is_some_and(|(s, n)| !s.is_empty() && !n.is_empty());
    if !whole || action.contains(['*', '?']) || action.contains(char::is_whitespace) {
        return Err(AskError::NoAction(action.chars().take(100).collect()));
    }
    Ok(ActionName::new(action))
}
