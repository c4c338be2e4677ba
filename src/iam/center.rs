//! Roles that AWS keeps, and IAM Identity Center, whose permission sets become such roles in all accounts: which account keeps
//! the sets.

use crate::model::account::Organization;

/// The path of the roles that it keeps, one a permission set and account.
const SETS: &str = "/aws-reserved/sso.amazonaws.com/";

/// Whether AWS keeps the roles of a path: their policies and trust cannot be changed through IAM.
pub fn is_aws_kept(path: &str) -> bool {
    path.starts_with("/aws-service-role/") || path.starts_with("/aws-reserved/")
}

/// Whether IAM Identity Center keeps them.
pub fn is_of_a_set(path: &str) -> bool {
    path.starts_with(SETS)
}

/// What an account has to say over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityCenter {
    /// Its organisation is not known.
    Unknown,
    No,
    /// It keeps the permission sets of all accounts, but for those that the management account has a role of.
    Delegated,
    /// It is the management account.
    Management,
}

impl IdentityCenter {
    pub fn of(organization: &Organization, account: &str) -> Self {
        match organization.management_account.as_str() {
            "" => Self::Unknown,
            id if id == account => Self::Management,
            _ if organization.delegated_to(account).iter().any(|service| service == "sso.amazonaws.com") => Self::Delegated,
            _ => Self::No,
        }
    }
}

/// The permission set of one of its roles, whose name is `AWSReservedSSO_SET_0123456789abcdef`.
pub fn set_of(role: &str) -> &str {
    let name = role.rsplit('/').next().unwrap_or(role);
    let name = name.strip_prefix("AWSReservedSSO_").unwrap_or(name);
    name.rsplit_once('_').map_or(name, |(set, _)| set)
}
