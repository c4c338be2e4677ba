//! A container of ECS as the place of a session: what was said, which task and container that is, and in whose account.

use std::sync::Arc;

use color_eyre::eyre::{Result, bail, eyre};
use jiff::Timestamp;

use crate::aws::ecs::Container;
use crate::cli::ssm::{At, Why};
use crate::cli::{Global, setup};
use crate::config::Config;
use crate::model::estate::Estate;
use crate::model::node::Machine;
use crate::text;
use crate::work::sessions::way::{Found, Place, Way};
use crate::work::sweep::{Kind, Used};

/// What `--ecs` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    /// By name or number.
    account: Option<String>,
    region: Option<String>,
    cluster: String,
    task: String,
    container: Option<String>,
}

impl Wanted {
    /// Reads `cluster/task/container`, the same behind an account, or a task's ARN with `/container`; the container may lack.
    fn parse(said: &str) -> Result<Self> {
        let wrong = || {
            eyre!(
                "{said:?} names no container: write cluster/task/container, account/cluster/task/container, or the task's ARN \
                 with /container behind it"
            )
        };
        let owned = |text: &str| Some(text.to_owned());
        if said.starts_with("arn:") {
            let parts: Vec<&str> = said.splitn(6, ':').collect();
            let [_, _, "ecs", region, account, resource] = parts.as_slice() else { return Err(wrong()) };
            let resource: Vec<&str> = resource.split('/').collect();
            let (cluster, task, container) = match resource.as_slice() {
                ["task", cluster, task] => (*cluster, *task, None),
                ["task", cluster, task, container] => (*cluster, *task, owned(container)),
                _ => return Err(wrong()),
            };
            let (account, region) = (owned(account), owned(region));
            return Ok(Self { account, region, cluster: cluster.into(), task: task.into(), container });
        }
        let parts: Vec<&str> = said.split('/').collect();
        if parts.iter().any(|part| part.trim().is_empty()) {
            return Err(wrong());
        }
        let (account, cluster, task, container) = match parts.as_slice() {
            [cluster, task] => (None, *cluster, *task, None),
            [cluster, task, container] => (None, *cluster, *task, owned(container)),
            [account, cluster, task, container] => (owned(account), *cluster, *task, owned(container)),
            _ => return Err(wrong()),
        };
        Ok(Self { account, region: None, cluster: cluster.into(), task: task.into(), container })
    }
}

/// The account of this name or number.
fn account(estate: &Estate, name: &str) -> Option<String> {
    if name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit()) {
        return Some(name.to_owned());
    }
    estate.accounts.iter().find(|a| a.label().eq_ignore_ascii_case(name)).map(|a| a.id.clone())
}

/// The container that is meant.
fn container(found: &Found, wanted: &Wanted) -> Result<Container> {
    let all = &found.task.containers;
    let names = || all.iter().map(|c| text::line(&c.name).into_owned()).collect::<Vec<_>>().join(", ");
    let container = match (&wanted.container, all.as_slice()) {
        (Some(name), _) => all
            .iter()
            .find(|c| c.name == *name)
            .ok_or_else(|| eyre!("the task {} has no container {name:?}; it has: {}", wanted.task, names()))?,
        (None, [only]) => only,
        (None, _) => bail!("the task {} has several containers; say which: {}", wanted.task, names()),
    };
    if let Some((name, why)) = found.task.doubts.iter().find(|(name, _)| *name == container.name) {
        bail!("no session can be opened in {} of task {}: {}", text::line(name), wanted.task, text::line(why));
    }
    Ok(container.clone())
}

/// Finds the container, asks why and what the guardrail of its account wants.
pub(super) async fn at(said: &str, why: &Why, global: &Global, config: Config) -> Result<At> {
    let wanted = Wanted::parse(said)?;
    if global.from.is_some() {
        bail!("the demo has no containers: sessions in them go by AWS");
    }
    let now = Timestamp::now();
    let at = setup::desk(global, now).await?;
    if at.connections.is_empty() {
        bail!("there is no way to AWS: sign in, then open the session");
    }
    let mut estate = Arc::clone(&at.world.estate);
    let mut id = wanted.account.as_deref().map(|name| account(&estate, name));
    let is_known = |id: &str, estate: &Estate| estate.account(id).is_some();
    let own = at.connections[0].caller.account.clone();
    // What an account is called, and how it is classed: guardrails go by it.
    if !is_known(id.clone().flatten().as_deref().unwrap_or(&own), &estate) || id == Some(None) {
        let options = setup::options(global, &config, setup::ask_on_terminal());
        let looked = setup::collect(options, &config, &[Kind::Accounts], Used::Nobody, now, at.connections.clone()).await?;
        estate = Arc::clone(&looked.world.estate);
        id = wanted.account.as_deref().map(|name| account(&estate, name));
    }
    if let (Some(None), Some(name)) = (&id, &wanted.account) {
        bail!("no account is called {name:?}; `bartizan list accounts` has them all");
    }
    let id = id.flatten();
    let way = Way::over(at.connections.clone());
    let chosen = match global.regions.as_slice() {
        [region] => Some(region.as_str()),
        _ => None,
    };
    let place = Place { account: id.as_deref(), region: wanted.region.as_deref().or(chosen) };
    let found = way.task(place, &wanted.cluster, &wanted.task).await.map_err(|why| eyre!(text::line(&why).into_owned()))?;
    let container = container(&found, &wanted)?;
    let short: String = container.task.chars().take(8).collect();
    let machine = Machine {
        account_name: estate.account_label(&found.account).to_owned(),
        environment: estate.account(&found.account).and_then(|a| a.environment.value),
        account: found.account,
        region: found.region,
        id: container.target(),
        name: format!("{}/{short}/{}", container.cluster, container.name),
    };
    why.settle(config, at, estate, machine, way.into_container(container)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn containers_are_read_as_they_are_written() {
        let plain = Wanted { cluster: "shop".into(), task: "0f3a".into(), ..Wanted::default() };
        let web = Wanted { container: Some("web".into()), ..plain.clone() };
        assert_eq!(Wanted::parse("shop/0f3a").unwrap(), plain);
        assert_eq!(Wanted::parse("shop/0f3a/web").unwrap(), web);
        let named = Wanted::parse("payments/shop/0f3a/web").unwrap();
        assert_eq!(named, Wanted { account: Some("payments".into()), ..web.clone() });
        let arn = Wanted::parse("arn:aws:ecs:eu-west-1:111122223333:task/shop/0f3a/web").unwrap();
        assert_eq!(arn, Wanted { account: Some("111122223333".into()), region: Some("eu-west-1".into()), ..web });
        for wrong in ["", "shop", "shop//web", "a/b/c/d/e", "arn:aws:ecs:eu-west-1:1:task/old", "arn:aws:ec2:x:1:task/a/b"] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong}");
        }
    }
}
