//! Functions whose own policies let somebody from outside change their code, and so become the roles that they run as.

use super::crossings::Entry;
use super::outside::{Coder, Entered, Outsider};
use super::reach::{Prize, visited};
use super::ways::changes_code;
use crate::iam::account::Account;
use crate::iam::openings::{self, Visitor};
use crate::iam::policy::Effect;
use crate::iam::resources::CHANGES_CODE;
use crate::iam::strangers::Met;

/// All whom the policies of an account's functions let change their code.
pub(super) fn coders(account: &Account) -> Vec<Coder> {
    let resources = account.resources();
    let mut all = Vec::new();
    for (place, role) in functions(account) {
        let Some(held) = resources.at(place) else { continue };
        for who in openings::named(resources, held).into_keys().filter(|who| !matches!(who, Visitor::Service(_))) {
            // Lambda answers nobody who does not sign.
            let who = if who == Visitor::Everyone { Visitor::EveryAccount } else { who };
            let outsider = Outsider::visitor(&who, |id| account.knows(id));
            let each = coding(account, place, &outsider, false).into_iter();
            all.extend(each.map(|entered| Coder { who: outsider.clone(), role, entered }));
        }
    }
    all
}

/// How somebody who is asked about by name changes the code of an account's functions, by the role that they run as.
pub(super) fn coded(account: &Account, who: &Outsider) -> Vec<(usize, Entered)> {
    let each = |(place, role)| coding(account, place, who, true).into_iter().map(move |entered| (role, entered));
    functions(account).flat_map(each).collect()
}

/// Functions of the account whose policies let somebody change their code: their places, and those of their roles.
fn functions(account: &Account) -> impl Iterator<Item = (usize, usize)> {
    let own = account.resources().open_functions().filter(|(owner, ..)| *owner == account.id);
    own.filter_map(|(_, place, role)| Some((place, account.place(role)?)))
}

fn coding(account: &Account, place: usize, who: &Outsider, asked: bool) -> Vec<Entered> {
    let Some(held) = account.resources().at(place) else { return Vec::new() };
    let Ok(prize) = Prize::new(&held.resource.arn, &CHANGES_CODE.map(str::to_owned)) else { return Vec::new() };
    let entered = |(ask, _, met): (usize, _, Met)| {
        let (row, _) = changes_code().find(|(_, action)| prize.asks()[ask].action == *action)?;
        let statements = met.by.iter().map(|s| *s as u32).collect();
        let all = held.policy().map_or(&[][..], |p| &p.policy.statements);
        let alike = met.by.iter().filter_map(|s| all.get(*s)).all(|s| s.conditions.is_empty())
            && all.iter().all(|s| s.effect == Effect::Allow);
        Some(Entered { by: Entry::Code(row, place as u32), statements, certain: met.certain, alike })
    };
    visited(account, &prize, who, asked).into_iter().filter_map(entered).collect()
}
