//! Opens what the program looks at: AWS with its cache, an estate file, or the demo.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::aws::Options;
use crate::cache::{Cache, CacheError};
use crate::catalog::decided::Changed;
use crate::catalog::{Facts, ListingId};
use crate::config::Config;
use crate::demo::Organization;
use crate::listing::query::Cancel;
use crate::model::account::Account;
use crate::model::attribution::Rules;
use crate::model::estate::Estate;
use crate::model::finding::Finding;
use crate::triage::policy::Policy;
use crate::work::judge::{self, Settings};
use crate::work::library::Library;
use crate::work::picture;
use crate::work::store::{Origin, Store};
use crate::work::sweep::Supply;
use crate::world::{Loading, Origin as WorldOrigin, World};

/// What to look at.
pub enum Source {
    Demo {
        findings: usize,
        /// Nothing changes while one looks.
        still: bool,
    },
    /// An estate that was read from a file.
    File { path: String, estate: Box<Estate>, findings: Vec<Finding> },
    /// AWS; with a directory for the cache, or without a cache.
    Live { options: Box<Options>, cache: Option<PathBuf> },
}

/// An open source: its first world, what answers need, and what supplies changes.
pub struct Opened {
    pub world: Arc<World>,
    pub library: Arc<Library>,
    pub supply: Supply,
    /// What could not be used, and goes on without.
    pub problems: Vec<String>,
}

impl Opened {
    /// Looks at another estate.
    pub fn estate(&mut self, estate: Estate, now: Timestamp) {
        let facts = facts(&self.library, Arc::new(estate), &Changed::Everything, now);
        Arc::make_mut(&mut self.world).rebuild(&facts);
    }

    /// Judges the estate now, for those who cannot wait for it.
    pub fn judge(&mut self, now: Timestamp) {
        let estate = Arc::clone(&self.world.estate);
        let judged = judge::judge_by(
            &estate,
            &self.library.engine,
            &self.library.settings,
            || picture::of(&self.library, &estate, now),
            now,
            &Cancel::new(),
        );
        let mut noted = (*estate).clone();
        if let Some(Err(error)) = judged.map(|judged| self.library.take_judged(judged, &mut noted)) {
            self.problems.push(error.to_string());
        }
        self.estate(noted, now);
    }

    /// Lays what was decided meanwhile over the rows.
    pub fn relay(&mut self, now: Timestamp) {
        self.estate((*self.world.estate).clone(), now);
    }

    /// Works out the network engine's picture now, for those who cannot wait for it.
    pub fn paint(&mut self, now: Timestamp) {
        paint(&self.library, &mut self.world, now);
    }

    /// Reads the cache's findings now, for those who cannot wait for them.
    pub fn load(&mut self, now: Timestamp) {
        let Supply::Live { cache: Some(cache), .. } = &self.supply else { return };
        let estate = Arc::clone(&self.world.estate);
        let accounts = |id: &str| estate.account(id).map(Arc::clone);
        let (store, problems) = Store::on(cache, &accounts, &mut |_| {});
        self.problems.extend(problems.iter().map(ToString::to_string));
        *self.library.write() = store;
        self.relay(now);
    }
}

/// Opens a source as of `now`. Files of the cache are read later, behind the first frame.
pub fn open(source: Source, config: &Config, now: Timestamp) -> Opened {
    let rules = config.rules();
    let policy = (config.policy(), Settings::of(config));
    match source {
        Source::Demo { findings, still } => demo(findings, still, (rules, policy), now),
        Source::File { path, mut estate, findings } => {
            attribute(&mut estate, &rules);
            let mut store = Store::in_memory();
            let accounts = |id: &str| estate.account(id).map(Arc::clone);
            // What was judged where the file was written is judged anew here.
            let (judged, findings) = findings.into_iter().partition::<Vec<_>, _>(|f| f.source.name == judge::SOURCE);
            let put = store.put_all(findings, Origin::File, &accounts);
            let put = put.and_then(|_| store.put_all(judged, Origin::Judged, &accounts));
            let gaps = estate.identities.iter().flat_map(|i| i.gaps.iter().map(|gap| format!("Account {}: {gap}.", i.account)));
            let problems = put.err().map(|e| e.to_string()).into_iter().chain(gaps).collect();
            finish(WorldOrigin::File(path), *estate, store, (rules, policy), Supply::None, problems, now)
        }
        Source::Live { options, cache } => {
            let origin = WorldOrigin::Live(options.profiles.clone());
            let mut problems = Vec::new();
            let cache = cache.and_then(|dir| match open_cache(&dir) {
                Ok(cache) => Some(Arc::new(cache)),
                Err(error) => {
                    problems.push(error.to_string());
                    None
                }
            });
            let mut estate = Estate::default();
            if let Some(cache) = &cache {
                if let Some(why) = cache.read_only() {
                    problems.push(format!("What is collected now is not kept in {}: {why}.", cache.path().display()));
                }
                match cache.read_estate() {
                    Ok(Some(kept)) => estate = kept,
                    Ok(None) => {}
                    Err(error) => problems.push(error.to_string()),
                }
            }
            attribute(&mut estate, &rules);
            let supply = Supply::Live { options, cache, single: config.aws.single_account };
            let mut opened = finish(origin, estate, Store::in_memory(), (rules, policy), supply, problems, now);
            if let Some(world) = Arc::get_mut(&mut opened.world) {
                world.loading = Loading::Partial;
            }
            opened
        }
    }
}

/// Opens the cache in a directory.
///
/// # Errors
/// Those of [`Cache::open`].
pub fn open_cache(dir: &Path) -> Result<Cache, CacheError> {
    Cache::open(dir, Arc::clone(&ListingId::Findings.get().schema))
}

fn demo(findings: usize, still: bool, (rules, (policy, settings)): (Rules, (Policy, Settings)), now: Timestamp) -> Opened {
    let organization = Arc::new(Organization::new(now, findings));
    let mut estate = (**organization.estate()).clone();
    attribute(&mut estate, &rules);
    let document = Arc::clone(&organization);
    let whole = move |n: u64| {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let mut finding = document.finding(n);
        finding.document = document.document(n);
        finding
    };
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let store = Store::generated(
        findings as u64,
        &|n| organization.place(index(n)),
        &|n| organization.finding(index(n)),
        &|id| estate.account(id).map(Arc::clone),
        Arc::new(whole),
    );
    let supply = if still { Supply::None } else { Supply::Demo(Arc::clone(&organization)) };
    finish(WorldOrigin::Demo, estate, store, (rules, (policy, settings)), supply, Vec::new(), now)
}

fn attribute(estate: &mut Estate, rules: &Rules) {
    let accounts: Vec<Account> = estate.accounts.iter().map(|a| (**a).clone()).collect();
    for mut account in accounts {
        rules.attribute(&mut account);
        estate.put_account(account);
    }
}

fn finish(
    origin: WorldOrigin,
    estate: Estate,
    store: Store,
    (rules, (policy, settings)): (Rules, (Policy, Settings)),
    supply: Supply,
    problems: Vec<String>,
    now: Timestamp,
) -> Opened {
    let mut world = World::empty(origin);
    let library = Arc::new(Library::new(store, rules, policy).judging(settings));
    world.policy = library.decisions().policy;
    world.rebuild(&facts(&library, Arc::new(estate), &Changed::Everything, now));
    world.loading = Loading::Complete;
    world.problems.clone_from(&problems);
    Opened { world: Arc::new(world), library, supply, problems }
}

/// What rows are made from now.
pub fn facts(library: &Library, estate: Arc<Estate>, changed: &Changed, now: Timestamp) -> Facts {
    let findings = library.rows(changed);
    let (board, standings) = (Arc::new(library.board(now)), library.standings());
    let (history, network) = (library.history(), library.network());
    Facts { estate, findings, board, decisions: library.log(), history, standings, network, now }
}

/// Works out the network engine's picture of a world, and makes the rows it brings.
pub fn paint(library: &Library, world: &mut Arc<World>, now: Timestamp) {
    let picture = picture::paint(library, &world.estate, world.index(ListingId::Findings), now);
    library.take_network(Arc::clone(&world.estate), Arc::new(picture));
    let facts = facts(library, Arc::clone(&world.estate), &Changed::Findings(HashSet::new()), now);
    Arc::make_mut(world).repaint(&facts);
}
