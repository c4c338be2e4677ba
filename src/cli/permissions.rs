//! `bartizan permissions`: what bartizan needs to be allowed, made from what its collectors declare.

use clap::{Args, ValueEnum};
use color_eyre::eyre::{Result, eyre};

use crate::aws::permissions::{self, RoleTemplate};
use crate::cli::{Done, Global, setup};

/// Options of permissions.
#[derive(Debug, Args)]
pub(super) struct Permissions {
    /// What to print
    #[arg(value_enum, default_value_t = What::Policy)]
    what: What,
    /// Who may assume the role: the ARN of a role or user, or an account id
    #[arg(long, value_name = "ARN")]
    trust: Option<String>,
    /// The AWS partition: aws, aws-cn, aws-us-gov
    #[arg(long, default_value = "aws", value_name = "NAME")]
    partition: String,
    /// Let the role of member accounts open sessions on their nodes
    #[arg(long)]
    sessions: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The policy of whoever runs bartizan
    Policy,
    /// The policy of the role in member accounts
    Member,
    /// The role of member accounts as a CloudFormation template
    Cloudformation,
    /// The role of member accounts as Terraform
    Terraform,
}

impl Permissions {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let config = setup::config(global)?;
        let role = global.role.clone().unwrap_or(config.aws.role);
        let text = match self.what {
            What::Policy => permissions::caller_policy(&self.partition, &role),
            What::Member => permissions::member_policy(self.sessions),
            What::Cloudformation => self.template(role, global)?.cloudformation(),
            What::Terraform => self.template(role, global)?.terraform(),
        };
        println!("{}", text.trim_end());
        Ok(Done::Whole)
    }

    fn template(&self, role: String, global: &Global) -> Result<RoleTemplate> {
        let trusted = self.trust.clone().ok_or_else(|| {
            eyre!("a role needs somebody to trust: add --trust with the account id or the ARN of whoever runs bartizan")
        })?;
        Ok(RoleTemplate { name: role, trusted, external_id: global.external_id.clone(), sessions: self.sessions })
    }
}
