//! The estate: all that was collected from AWS, and its one-file form.
//!
//! The file is zstd-compressed JSON, `{"format":"bartizan-estate","version":1,"body":{…},"digest":"sha256:…"}`; the
//! digest covers the exact bytes of `body`. It is written and read through any byte stream; opening files is not done here.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::model::account::{Account, Caller, Organization};
use crate::model::coverage::Coverage;
use crate::model::finding::Finding;
use crate::model::network::Network;
use crate::model::node::{Node, Session};
use crate::model::principal::Identity;
use crate::model::resource::Resource;
use crate::model::workload::Workloads;

/// All that was collected from AWS at one time, without the findings. Parts are shared, so that a copy is cheap and a
/// refresh swaps only what changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Estate {
    /// When the newest part arrived; none for an empty estate.
    pub collected: Option<Timestamp>,
    pub caller: Option<Caller>,
    pub organization: Option<Organization>,
    /// Sorted by id.
    pub accounts: Vec<Arc<Account>>,
    /// One for each account whose IAM was read, sorted by account.
    pub identities: Vec<Arc<Identity>>,
    /// One for each account and region that was read, sorted by both.
    pub regions: Vec<Arc<RegionEstate>>,
    /// Sorted by account, region and API.
    pub coverage: Arc<Vec<Coverage>>,
    /// When each account's identities, by its id, and each region's networks, by `account/region`, were first judged: what
    /// stood then is not new.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub first_judged: BTreeMap<String, Timestamp>,
}

/// What stands in one account and region.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RegionEstate {
    pub account: String,
    pub region: String,
    pub network: Network,
    pub nodes: Vec<Node>,
    pub sessions: Vec<Session>,
    #[serde(skip_serializing_if = "Workloads::is_empty")]
    pub workloads: Workloads,
    /// What carries a policy of its own, by ARN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
}

impl Estate {
    pub fn account(&self, id: &str) -> Option<&Arc<Account>> {
        self.accounts.iter().find(|a| a.id == id)
    }
    /// The account's name where known, else its id.
    pub fn account_label<'a>(&'a self, id: &'a str) -> &'a str {
        self.account(id).map_or(id, |a| a.label())
    }
    pub fn identity(&self, account: &str) -> Option<&Arc<Identity>> {
        self.identities.iter().find(|i| i.account == account)
    }
    pub fn region(&self, account: &str, region: &str) -> Option<&Arc<RegionEstate>> {
        self.regions.iter().find(|r| r.account == account && r.region == region)
    }
    /// Names of all regions that were read, sorted.
    pub fn region_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.regions.iter().map(|r| r.region.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
    /// Adds an account or replaces the one with its id.
    pub fn put_account(&mut self, account: Account) {
        put(&mut self.accounts, Arc::new(account), |a, b| a.id.cmp(&b.id));
    }
    /// Whether nothing was read but answers of `iam:GetAccountAuthorizationDetails`.
    pub fn is_details(&self) -> bool {
        !self.identities.is_empty() && self.regions.is_empty() && self.identities.iter().all(|i| i.details_only)
    }
    pub fn put_identity(&mut self, identity: Identity) {
        put(&mut self.identities, Arc::new(identity), |a, b| a.account.cmp(&b.account));
    }
    pub fn put_region(&mut self, region: RegionEstate) {
        put(&mut self.regions, Arc::new(region), |a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    }
    /// The region's part, to change in place; made empty where it is new.
    pub fn region_mut(&mut self, account: &str, region: &str) -> &mut RegionEstate {
        let at = self.regions.binary_search_by(|r| (r.account.as_str(), r.region.as_str()).cmp(&(account, region)));
        let at = at.unwrap_or_else(|at| {
            let fresh = RegionEstate { account: account.into(), region: region.into(), ..RegionEstate::default() };
            self.regions.insert(at, Arc::new(fresh));
            at
        });
        Arc::make_mut(&mut self.regions[at])
    }
    /// Forgets all of the accounts that do not stay. Coverage rows that stand for no account stay.
    pub fn retain_accounts(&mut self, stays: &dyn Fn(&str) -> bool) {
        self.accounts.retain(|a| stays(&a.id));
        self.identities.retain(|i| stays(&i.account));
        self.regions.retain(|r| stays(&r.account));
        Arc::make_mut(&mut self.coverage).retain(|c| c.account.is_empty() || stays(&c.account));
        self.first_judged.retain(|of, _| stays(of.split('/').next().unwrap_or_default()));
    }
    /// Puts what somebody else wrote in the order that is relied on.
    fn sort(&mut self) {
        self.accounts.sort_by(|a, b| a.id.cmp(&b.id));
        self.identities.sort_by(|a, b| a.account.cmp(&b.account));
        self.regions.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
        Arc::make_mut(&mut self.coverage).sort_by(|a, b| (&a.account, &a.region, &a.api).cmp(&(&b.account, &b.region, &b.api)));
    }
    /// Adds coverage rows; a row replaces the older one for the same account, region and API.
    pub fn put_coverage(&mut self, rows: impl IntoIterator<Item = Coverage>) {
        let known = Arc::make_mut(&mut self.coverage);
        for row in rows {
            let same = |c: &Coverage| (&c.account, &c.region, &c.api).cmp(&(&row.account, &row.region, &row.api));
            match known.binary_search_by(same) {
                Ok(at) => known[at] = row,
                Err(at) => known.insert(at, row),
            }
        }
    }
}

fn put<T>(list: &mut Vec<Arc<T>>, item: Arc<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) {
    match list.binary_search_by(|other| order(other, &item)) {
        Ok(at) => list[at] = item,
        Err(at) => list.insert(at, item),
    }
}

const FORMAT: &str = "bartizan-estate";
const VERSION: u32 = 1;
/// Far above any real organisation, below what fills a machine.
const LARGEST: u64 = 16 << 30;

/// Why an estate file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EstateError {
    #[error("could not unpack the estate: {0}; is it a file that `bartizan collect` wrote?")]
    Unpack(#[source] io::Error),
    #[error("the file is not an estate: {0}")]
    Shape(#[source] serde_json::Error),
    #[error("the file is {0:?}, not {FORMAT:?}")]
    OtherFormat(String),
    #[error("the estate has version {0}, this build reads up to {VERSION}; update bartizan")]
    Newer(u32),
    #[error("the estate was changed after it was written: its digest is {found}, it says {said}")]
    Changed { said: String, found: String },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    format: String,
    version: u32,
    #[serde(borrow)]
    body: &'a RawValue,
    digest: String,
}

#[derive(Deserialize)]
struct Body {
    estate: Estate,
    findings: Vec<Finding>,
}

/// Writes an estate and its findings as one file; findings stream, so a million need no memory of their own.
///
/// # Errors
/// Those of `out`.
pub fn write(out: impl Write, estate: &Estate, findings: impl Iterator<Item = Finding>) -> io::Result<()> {
    let mut out = Hashing { out: zstd::Encoder::new(out, 6)?, hash: Sha256::new() };
    write!(out.out, r#"{{"format":"{FORMAT}","version":{VERSION},"body":"#)?;
    out.write_all(br#"{"estate":"#)?;
    serde_json::to_writer(&mut out, estate)?;
    out.write_all(br#","findings":["#)?;
    for (n, finding) in findings.enumerate() {
        if n > 0 {
            out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut out, &finding)?;
    }
    out.write_all(b"]}")?;
    let digest = hex(&out.hash.finalize());
    write!(out.out, r#","digest":"sha256:{digest}"}}"#)?;
    out.out.finish()?.flush()
}

/// Reads an estate file back, and checks its digest.
///
/// # Errors
/// [`EstateError`], which says what is wrong with the file.
pub fn read(from: impl Read) -> Result<(Estate, Vec<Finding>), EstateError> {
    let mut text = String::new();
    let decoder = zstd::Decoder::new(from).map_err(EstateError::Unpack)?;
    decoder.take(LARGEST).read_to_string(&mut text).map_err(EstateError::Unpack)?;
    let envelope: Envelope<'_> = serde_json::from_str(&text).map_err(EstateError::Shape)?;
    if envelope.format != FORMAT {
        return Err(EstateError::OtherFormat(envelope.format));
    }
    if envelope.version > VERSION {
        return Err(EstateError::Newer(envelope.version));
    }
    let found = format!("sha256:{}", hex(&Sha256::digest(envelope.body.get().as_bytes())));
    if found != envelope.digest {
        return Err(EstateError::Changed { said: envelope.digest, found });
    }
    let mut body: Body = serde_json::from_str(envelope.body.get()).map_err(EstateError::Shape)?;
    body.estate.sort();
    Ok((body.estate, body.findings))
}

struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::coverage::Outcome;
    use crate::model::network::Vpc;

    fn estate() -> Estate {
        let mut estate = Estate { collected: Some(Timestamp::UNIX_EPOCH), ..Estate::default() };
        estate.put_account(Account::bare("222233334444"));
        estate.put_account(Account::bare("111122223333"));
        let mut vpc = Vpc { vpc_id: "vpc-1".into(), ..Vpc::default() };
        vpc.extra.insert("NewField".into(), serde_json::json!({"kept": [1, "two"]}));
        estate.region_mut("111122223333", "eu-west-1").network.vpcs.push(vpc);
        estate
    }

    fn packed() -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, &estate(), std::iter::empty()).unwrap();
        out
    }

    #[test]
    fn what_others_wrote_is_put_in_order() {
        let mut mixed = estate();
        let row = |account: &str| Coverage {
            account: account.into(),
            region: String::new(),
            api: "iam:ListUsers".into(),
            outcome: Outcome::Ok,
            reason: String::new(),
            count: 1,
            at: Timestamp::UNIX_EPOCH,
        };
        mixed.coverage = Arc::new(vec![row("222233334444"), row("111122223333")]);
        mixed.accounts.reverse();
        let mut out = Vec::new();
        write(&mut out, &mixed, std::iter::empty()).unwrap();
        let (again, _) = read(&out[..]).unwrap();
        let ids: Vec<&str> = again.coverage.iter().map(|c| c.account.as_str()).collect();
        assert_eq!(ids, ["111122223333", "222233334444"]);
        assert_eq!(again.accounts, estate().accounts);
    }

    #[test]
    fn reads_back_identically() {
        let (again, findings) = read(&packed()[..]).unwrap();
        assert_eq!(again, estate());
        assert!(findings.is_empty());
        assert_eq!(again.accounts[0].id, "111122223333");
    }

    #[test]
    fn a_change_is_noticed() {
        let text = String::from_utf8(zstd::decode_all(&packed()[..]).unwrap()).unwrap();
        let repack = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        let changed = repack(&text.replace("vpc-1", "vpc-2"));
        assert!(matches!(read(&changed[..]), Err(EstateError::Changed { .. })));
        let newer = repack(&text.replace("\"version\":1", "\"version\":9"));
        assert!(matches!(read(&newer[..]), Err(EstateError::Newer(9))));
        let other = repack(&text.replace(FORMAT, "something"));
        assert!(matches!(read(&other[..]), Err(EstateError::OtherFormat(_))));
        assert!(matches!(read(&b"not zstd"[..]), Err(EstateError::Unpack(_))));
        let cut = packed();
        assert!(read(&cut[..cut.len() / 2]).is_err());
        assert!(read(&b""[..]).is_err());
    }
}
