//! Keeps the network engine's picture of the estate: works it out anew when networks change, ranks it anew when what is
//! behind machines does, and never on the screen's thread. What it says is the engine's.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::catalog::decided::Changed;
use crate::listing::index::Index;
use crate::model::coverage::Outcome;
use crate::model::estate::Estate;
use crate::network::picture::Picture;
use crate::work::behind::{Machines, Seen, machines};
use crate::work::change::Change;
use crate::work::library::Library;

/// The least time between two pictures; a long one is followed by a longer rest.
const REST: Duration = Duration::from_secs(1);

/// A picture and what it was made from.
#[derive(Debug, Clone)]
struct Painted {
    picture: Picture,
    estate: Arc<Estate>,
    machines: Machines,
}

fn look(library: &Library, estate: &Estate, findings: &Index, now: Timestamp) -> Machines {
    let document = |key| library.read().finding(key).ok().flatten().map(|f| f.document).unwrap_or_default();
    machines(estate, findings, &document, (&library.roles, &library.engine), now)
}

/// The picture of an estate, now.
pub fn paint(library: &Library, estate: &Estate, findings: &Index, now: Timestamp) -> Picture {
    Picture::of(estate, &library.settings.terms, &look(library, estate, findings, now))
}

/// The picture that is kept, where it is of these networks; else one that is made now.
pub fn of(library: &Library, estate: &Estate, now: Timestamp) -> Arc<Picture> {
    match library.painted() {
        Some((kept, picture)) if same_networks(&kept, estate) => picture,
        _ => Arc::new(paint(library, estate, &library.rows(&Changed::Findings(HashSet::new())), now)),
    }
}

/// The next picture after `last`; none where nothing in it would be another.
fn next(library: &Library, seen: &Seen, last: Option<&Painted>, now: Timestamp) -> Option<Painted> {
    let machines = look(library, &seen.estate, &seen.findings, now);
    let estate = Arc::clone(&seen.estate);
    match last {
        Some(last) if same_networks(&last.estate, &estate) => {
            if last.machines == machines {
                return None;
            }
            let mut picture = last.picture.clone();
            picture.rank(&machines);
            Some(Painted { picture, estate, machines })
        }
        _ => Some(Painted { picture: Picture::of(&estate, &library.settings.terms, &machines), estate, machines }),
    }
}

/// Whether two estates have the same networks, accounts and gaps in them: parts are shared, so pointers tell.
fn same_networks(a: &Estate, b: &Estate) -> bool {
    fn same<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
    }
    let gaps = |e: &Estate| -> Vec<(String, String, String, Outcome)> {
        let of = e.coverage.iter().filter(|c| c.api.starts_with("ec2:") || c.api.starts_with("elasticloadbalancing:"));
        of.map(|c| (c.account.clone(), c.region.clone(), c.api.clone(), c.outcome)).collect()
    };
    same(&a.regions, &b.regions) && same(&a.accounts, &b.accounts) && gaps(a) == gaps(b)
}

/// Paints what is seen, again and again, until nobody shows anything any more.
pub async fn follow(library: Arc<Library>, mut seen: watch::Receiver<Option<Seen>>, changes: mpsc::Sender<Change>) {
    let mut last: Option<Arc<Painted>> = None;
    loop {
        let now = seen.borrow_and_update().clone();
        if let Some(now) = now {
            let began = Instant::now();
            let (library, before) = (Arc::clone(&library), last.clone());
            let made = tokio::task::spawn_blocking(move || next(&library, &now, before.as_deref(), Timestamp::now())).await;
            let made = match made {
                Ok(made) => made,
                // A panic in there is a panic here: the hook has reported it.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return,
            };
            if let Some(made) = made {
                let made = Arc::new(made);
                if changes.send(Change::Painted(Arc::clone(&made.estate), Arc::new(made.picture.clone()))).await.is_err() {
                    return;
                }
                last = Some(made);
            }
            // While findings pour in, looking at them all again is a small part of the work.
            tokio::time::sleep(REST.max(began.elapsed() * 5)).await;
        }
        if seen.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ListingId;
    use crate::config::Config;
    use crate::work::source::{Source, open};

    fn seen() -> (Arc<Library>, Seen) {
        let now = "2026-03-14T03:07:00Z".parse().unwrap();
        let opened = open(Source::Demo { findings: 200, still: true }, &Config::default(), now);
        let findings = opened.world.index(ListingId::Findings).clone();
        (Arc::clone(&opened.library), Seen { estate: Arc::clone(&opened.world.estate), findings })
    }

    #[test]
    fn a_picture_is_made_anew_only_where_something_in_it_is_another() {
        let (library, seen) = seen();
        let now = Timestamp::UNIX_EPOCH;
        let first = next(&library, &seen, None, now).unwrap();
        assert!(!first.picture.exposures.is_empty());
        assert!(next(&library, &seen, Some(&first), now).is_none(), "nothing changed");
        // Other findings: the same network, ranked anew.
        let fewer = Seen { findings: Index::new(Arc::clone(&ListingId::Findings.get().schema)), ..seen.clone() };
        let ranked = next(&library, &fewer, Some(&first), now).unwrap();
        assert!(Arc::ptr_eq(&ranked.picture.net, &first.picture.net));
        assert_eq!(ranked.picture.exposures.len(), first.picture.exposures.len());
        assert!(ranked.picture.exposures.iter().all(|e| e.behind.open_findings == 0));
        // Another network: all anew.
        let mut estate = (*seen.estate).clone();
        let (account, region) = (estate.regions[0].account.clone(), estate.regions[0].region.clone());
        estate.region_mut(&account, &region).network.security_groups.clear();
        let other = Seen { estate: Arc::new(estate), ..seen };
        let made = next(&library, &other, Some(&first), now).unwrap();
        assert!(!Arc::ptr_eq(&made.picture.net, &first.picture.net));
    }
}
