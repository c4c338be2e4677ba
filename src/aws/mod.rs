//! The door to AWS: credentials, one file a service, and coverage for everything that was asked.
//!
//! The SDK signs, resolves endpoints and names errors; its typed outputs are not used, because they drop the fields they
//! do not know. Each answer's body is kept as it came and read into `model/`. A service's file declares the API actions
//! it calls, and nothing else can be called: the least-privilege policy, the limits and the coverage rows come from
//! those declarations. It does not decide when or how much to collect, and it judges nothing.
//!
//! ```text
//! connect(Options) -> Connection            who am I, which regions
//!   Connection::access() / enter(account)   the caller's account, or a member account by its role
//!     Access::scope(region) -> Scope        one account and region
//!       ec2::network(&scope), iam::identity(&scope), … -> Answer { value, coverage }
//! ```

mod ask;
mod call;
pub mod cloudtrail;
pub mod credentials;
pub mod ec2;
mod ecr;
pub mod ecs;
pub mod elb;
mod error;
pub mod exec;
pub mod iam;
mod json;
mod keys;
pub mod kms;
pub mod lambda;
mod limit;
pub mod organizations;
pub mod permissions;
mod policies;
mod profiles;
mod query;
pub mod rds;
pub mod regions;
pub mod resources;
mod rest;
mod s3;
mod scope;
mod secretsmanager;
pub mod securityhub;
mod signed;
mod sns;
mod sqs;
pub mod ssm;
pub mod sts;
mod transit;
mod xml;

pub use call::{Call, Rate, Reach};
pub use credentials::{Access, Connection, Options, connect};
pub use error::{AwsError, Failure, Kind};
pub use limit::Limiter;
pub use profiles::{MfaRequest, Prompt};
pub use scope::{Answer, Scope};
