//! Tokens that somebody whom an issuer serves can hold, tried at a role's door: those of other owners, of the owner's other
//! projects, and the ones that the trust is meant for.
//!
//! A claim that its holder chooses is left unknown. Of the others each value that the trust speaks of is tried, with
//! [`CHOSEN`] where a pattern leaves something open, beside one that is all the stranger's own and none at all: a condition
//! that an absent claim passes narrows nothing.

use std::cell::Cell;

use super::issuers::{CHOSEN, Issuer, Open, Says, Serves};
use crate::iam::evaluate::{ActionName, Caller, Context};
use crate::iam::policy::{Compare, Condition, Effect, Piece, Quantifier, Template};
use crate::iam::strangers::{Door, is_callers, strange};

/// Tokens that are tried for one subject at most: a few claims of a few values each.
const MOST_TRIES: usize = 512;
/// Claims that are told apart; of more it stays unknown what they are.
const MOST_CLAIMS: usize = 24;
/// Values of one condition that are tried: no trust that AWS takes has room for more.
const MOST_VALUES: usize = 400;

/// The tokens of one issuer for one statement of a trust.
pub(super) struct Tokens<'a> {
    pub(super) issuer: &'static Issuer,
    door: &'a Door<'a>,
    caller: Caller,
    action: ActionName,
    known: Context,
    host: &'a str,
    subjects: Vec<Value>,
    claims: Vec<Claim>,
    /// Whether a token got in for certain.
    sure: Cell<bool>,
}

/// A claim that its holder does not choose freely.
struct Claim {
    name: String,
    says: Says,
    values: Vec<Value>,
}

/// One value of a claim.
pub(super) struct Value {
    /// None where the token lacks the claim.
    texts: Vec<String>,
    pub(super) leaves: Open,
    /// The value of the policy that asks for it.
    pub(super) pattern: Option<String>,
}

impl<'a> Tokens<'a> {
    /// The door's first statement is the one that lets in. `provider` is the issuer as the policy names it.
    pub(super) fn new(door: &'a Door<'a>, provider: &str, host: &'a str) -> Self {
        let of: Vec<(Effect, &Condition, &str)> = door
            .statements()
            .flat_map(|s| s.conditions.iter().map(|c| (s.effect, c)))
            .filter_map(|(effect, c)| Some((effect, c, claim_of(&c.key.text, host)?)))
            .collect();
        let texts = of.iter().flat_map(|(_, c, _)| &c.values).map(|v| v.text.as_str());
        let issuer = Issuer::of(host, texts);
        let caller = Caller::federated(provider);
        let mut known = unsigned(&caller);
        known.close("aws:PrincipalTag/");
        let none: [&str; 0] = [];
        // Another issuer's claims are not in this one's tokens.
        for key in door.statements().flat_map(|s| &s.conditions).map(|c| c.key.text.as_str()) {
            let elsewhere = key.rsplit_once(':').is_some_and(|(host, _)| host.contains('.'));
            if elsewhere && claim_of(key, host).is_none() {
                known.set(key, none);
            }
        }
        let variables = door.has_variables();
        let values = |claim: &str, own: String| -> Vec<Value> {
            let mut all = vec![Value { leaves: issuer.leaves(claim, &own), texts: vec![own], pattern: None }];
            // Every token has a subject (OpenID Connect Core, "ID Token"); what else it has, its issuer knows.
            let always = claim.eq_ignore_ascii_case(issuer.subject);
            all.extend((!always).then_some(Value { texts: Vec::new(), leaves: Open::Owner, pattern: None }));
            for (effect, c, _) in of.iter().filter(|(_, _, of)| of.eq_ignore_ascii_case(claim)) {
                let wild = matches!(c.operator.compare, Compare::StringLike | Compare::Arn);
                // Who must fit a pattern is let in by it; who must not, or need not, is not.
                let needless = !always && (c.operator.if_exists || c.operator.quantifier == Quantifier::AllValues);
                let asked = c.operator.compare != Compare::Null
                    && match effect {
                        Effect::Allow => !c.operator.negated && !needless,
                        Effect::Deny => c.operator.negated,
                    };
                // A star that is a star is in no subject of a pipeline's or a cluster's: neither names nor git's refs have any.
                let of_names = matches!(issuer.serves, Serves::Pipelines | Serves::Cluster);
                let issued = |text: &str| wild || !of_names || claim != issuer.subject || !text.contains(['*', '?']);
                all.extend(c.values.iter().filter(|v| issued(&v.text)).take(MOST_VALUES).map(|v| {
                    let text = chosen(&v.text, wild, variables);
                    let leaves = issuer.leaves(claim, &text);
                    Value { texts: vec![text], leaves, pattern: asked.then(|| v.text.clone()) }
                }));
            }
            all
        };
        let mut tokens = Self {
            issuer,
            door,
            caller,
            action: ActionName::new("sts:AssumeRoleWithWebIdentity"),
            known,
            host,
            subjects: values(issuer.subject, issuer.strange_subject()),
            claims: Vec::new(),
            sure: Cell::new(false),
        };
        for (_, _, claim) in &of {
            let says = issuer.says(claim);
            let known = tokens.claims.iter().any(|c| c.name.eq_ignore_ascii_case(claim));
            let counts = says != Says::Nothing && tokens.claims.len() < MOST_CLAIMS;
            if !known && counts && !claim.eq_ignore_ascii_case(issuer.subject) {
                let values = values(claim, CHOSEN.to_string());
                tokens.claims.push(Claim { name: (*claim).to_owned(), says, values });
            }
        }
        tokens.drop_refused();
        tokens
    }

    /// Leaves out the values that the statement's own conditions rule out by themselves.
    fn drop_refused(&mut self) {
        let may = |claim: &str, value: &Value| {
            let context = self.with(&self.known, claim, &value.texts);
            self.door.may_hold(0, &self.caller, &self.action, &context)
        };
        let keep = |claim: &str, values: &[Value]| values.iter().map(|v| may(claim, v)).collect::<Vec<bool>>();
        let subjects = keep(self.issuer.subject, &self.subjects);
        let claims: Vec<Vec<bool>> = self.claims.iter().map(|c| keep(&c.name, &c.values)).collect();
        let retain = |values: &mut Vec<Value>, keep: Vec<bool>| {
            let mut keep = keep.into_iter();
            values.retain(|_| keep.next().unwrap_or(true));
        };
        retain(&mut self.subjects, subjects);
        for (claim, keep) in self.claims.iter_mut().zip(claims) {
            retain(&mut claim.values, keep);
        }
    }

    fn with(&self, context: &Context, claim: &str, texts: &[String]) -> Context {
        context.clone().with(&format!("{}:{claim}", self.host), texts.iter().map(String::as_str))
    }

    /// The subjects that get in with a token that leaves at least so much open; `fixed` is a claim that is known.
    pub(super) fn admitted(&self, least: Open, fixed: Option<(&str, &str)>) -> Vec<&Value> {
        let mut known = self.known.clone();
        if let Some((claim, text)) = fixed {
            known = self.with(&known, claim, &[text.to_owned()]);
        }
        let claims: Vec<&Claim> = self
            .claims
            .iter()
            .filter(|c| fixed.is_none_or(|(name, _)| !c.name.eq_ignore_ascii_case(name)))
            // Another owner calls its projects as it likes.
            .filter(|c| c.says != Says::Local || least < Open::Owner)
            .collect();
        let fits = |v: &&Value| v.leaves >= least;
        let tries = Cell::new(0);
        let gets_in = |v: &&Value| {
            tries.set(0);
            self.try_all(&claims, &self.with(&known, self.issuer.subject, &v.texts), least, &tries)
        };
        self.subjects.iter().filter(fits).filter(gets_in).collect()
    }

    fn try_all(&self, claims: &[&Claim], context: &Context, least: Open, tries: &Cell<usize>) -> bool {
        let Some((claim, rest)) = claims.split_first() else {
            tries.set(tries.get() + 1);
            // A stranger cannot choose its address; those whom the trust is meant for have theirs.
            return if least == Open::Owner {
                self.door.lets_in(&self.caller, &self.action, context).is_some()
            } else {
                let chosen = |key: &str| is_chosen(self.issuer, self.host, key);
                let admitted = self.door.admits(&self.caller, &self.action, context, &chosen);
                self.sure.set(self.sure.get() || admitted == Some(true));
                admitted.is_some()
            };
        };
        let mut values = claim.values.iter().filter(|v| v.leaves >= least);
        values.any(|v| tries.get() < MOST_TRIES && self.try_all(rest, &self.with(context, &claim.name, &v.texts), least, tries))
    }

    /// Whether one of those that got in did for certain.
    pub(super) fn is_certain(&self) -> bool {
        self.sure.get()
    }

    /// What else the trust asks of a token, as `repository_id 1234`; of its audience where that is asked.
    pub(super) fn others(&self, with_audience: bool) -> Vec<String> {
        let audience = |c: &&Claim| with_audience || !c.name.eq_ignore_ascii_case(self.issuer.audience);
        let asked = |c: &Claim| -> Vec<String> {
            c.values.iter().filter_map(|v| Some(format!("{} {}", c.name, v.pattern.as_ref()?))).collect()
        };
        self.claims.iter().filter(audience).flat_map(asked).collect()
    }

    /// What any of the owner's projects are called, by the claim that names the owner where one does.
    pub(super) fn any(&self) -> &'static str {
        let asked = |c: &&Claim| c.values.iter().any(|v| v.pattern.is_some() && v.leaves == Open::Project);
        let words = self.claims.iter().filter(asked).find_map(|c| match c.says {
            Says::Owner(words) | Says::OwnerPath(words) | Says::Path(words) => Some(words),
            _ => None,
        });
        words.unwrap_or(self.issuer.any)
    }
}

/// Whether a key, in lower case, is of a claim that whoever holds a token of this issuer chooses.
fn is_chosen(issuer: &Issuer, host: &str, key: &str) -> bool {
    claim_of(key, host).is_some_and(|claim| issuer.says(claim) == Says::Nothing) || is_callers(key) && key != EXTERNAL_ID
}

/// Only callers of `sts:AssumeRole` say one.
const EXTERNAL_ID: &str = "sts:externalid";

/// What is known of a request by a token or an assertion: no credentials sign it, which alone tell of a second factor.
pub(super) fn unsigned(caller: &Caller) -> Context {
    let none: [&str; 0] = [];
    let known = strange(caller).with("aws:MultiFactorAuthPresent", none).with("aws:MultiFactorAuthAge", none);
    known.with(EXTERNAL_ID, none)
}

/// Whether a token with this subject gets in at a door whose first statement names the provider; none where it does not, or is
/// no subject of that issuer's.
pub(super) fn with_subject(door: &Door<'_>, provider: &str, subject: &str) -> Option<bool> {
    let host = provider.split_once(":oidc-provider/").map_or(provider, |(_, host)| host);
    let asked = door.statements().flat_map(|s| &s.conditions).flat_map(|c| &c.values).map(|v| v.text.as_str());
    let issuer = Issuer::of(host, asked);
    // How this issuer writes its subjects may not be known: then the trust has to ask for one.
    let mut asked = door.statements().flat_map(|s| &s.conditions).filter(|c| c.values.iter().all(|v| !v.text.is_empty()));
    let asks = asked.any(|c| claim_of(&c.key.text, host).is_some_and(|claim| claim.eq_ignore_ascii_case(issuer.subject)));
    if provider.contains(":saml-provider/") || !issuer.may_write(subject, asks) {
        return None;
    }
    let caller = Caller::federated(provider);
    let context = unsigned(&caller).with(&format!("{host}:{}", issuer.subject), [subject]);
    let action = ActionName::new("sts:AssumeRoleWithWebIdentity");
    door.admits(&caller, &action, &context, &|key| is_chosen(issuer, host, key))
}

/// The claim that a condition key asks of this issuer's tokens.
fn claim_of<'k>(key: &'k str, host: &str) -> Option<&'k str> {
    let (of, claim) = (key.get(..host.len())?, key.get(host.len()..)?.strip_prefix(':')?);
    of.eq_ignore_ascii_case(host).then_some(claim)
}

/// A value with [`CHOSEN`] for whatever it leaves open.
fn chosen(value: &str, wild: bool, variables: bool) -> String {
    let mut text = String::new();
    for piece in Template::read(value, wild, variables).pieces {
        match piece {
            Piece::Text(plain) => text.push_str(&plain),
            Piece::Star | Piece::One | Piece::Variable { .. } => text.push(CHOSEN),
        }
    }
    text
}
