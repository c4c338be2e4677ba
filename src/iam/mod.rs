//! Identity and access: the policy language, what it grants, who can become whom, and what to do about it. Pure: the
//! same account gives the same answer.
//!
//! From the bottom: [`policy`] reads and prints documents with positions; [`sets`] compares patterns exactly; [`facts`] is
//! what AWS's services have and [`fit`] what takes which resource; [`evaluate`] answers one request; [`resources`] are what
//! carries a policy of its own ([`public`] is what S3 takes for public), [`workloads`] what runs as a role; [`strangers`] try whom a policy
//! lets in from outside, [`openings`] tells it of resources; [`center`] is an account's say over IAM Identity Center; [`account`] puts an account's layers around a
//! request, read by [`read`] from a file or taken from an estate; [`grants`] is what policies grant as a set of actions;
//! [`graph`] is who can become whom; on these stand [`question`] and
//! [`doubts`] about one, [`lint`], [`write`], [`unused`] with [`trim`], [`nature`] and [`judge`].

pub mod account;
pub mod center;
pub mod doubts;
pub mod evaluate;
pub mod facts;
pub mod fit;
pub mod grants;
pub mod graph;
pub mod judge;
pub mod lint;
pub mod nature;
pub mod openings;
pub mod policy;
pub mod public;
pub mod question;
pub mod read;
pub mod resources;
pub mod sets;
pub mod strangers;
pub mod trim;
pub mod unused;
pub mod workloads;
pub mod write;
