//! Which machine is meant: by a row, by a name that somebody typed, by a resource; and why a machine cannot be reached
//! through Session Manager, as far as the estate tells.

use crate::catalog::ListingId;
use crate::catalog::detail::resource_link;
use crate::catalog::nodes::name_of;
use crate::model::account::Account;
use crate::model::arn::ResourceRef;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::guard::{Act, Guarded, Guardrails};
use crate::model::network::Instance;
use crate::model::node::{Machine, Node};
use crate::network::net::Object;
use crate::network::picture::Picture;
use crate::network::reach::Verdict;

fn machine(estate: &Estate, region: &RegionEstate, id: &str, name: &str) -> Machine {
    Machine {
        account: region.account.clone(),
        account_name: estate.account_label(&region.account).to_owned(),
        region: region.region.clone(),
        id: id.to_owned(),
        name: if name.is_empty() { id } else { name }.to_owned(),
        environment: estate.account(&region.account).and_then(|a| a.environment.value),
    }
}

fn node<'a>(region: &'a RegionEstate, id: &str) -> Option<&'a Node> {
    region.nodes.iter().find(|n| n.instance_id == id)
}

fn instance<'a>(region: &'a RegionEstate, id: &str) -> Option<&'a Instance> {
    region.network.instances.iter().find(|i| i.instance_id == id)
}

/// All machines: managed nodes, and instances that are none. Id, name, and whatever else one may call it.
fn all(estate: &Estate) -> impl Iterator<Item = (&RegionEstate, &str, String, Vec<&str>)> {
    estate.regions.iter().flat_map(|region| {
        let nodes = region.nodes.iter().map(move |node| {
            let instance = instance(region, &node.instance_id);
            let tag = instance.map_or("", |i| i.name());
            let address = instance.map_or("", |i| i.private_ip_address.as_str());
            let names = vec![tag, node.computer_name.as_str(), node.name.as_str(), node.ip_address.as_str(), address];
            (&**region, node.instance_id.as_str(), name_of(node, instance).to_owned(), names)
        });
        let managed = |id: &str| region.nodes.iter().any(|n| n.instance_id == id);
        let others = region.network.instances.iter().filter(move |i| !managed(&i.instance_id));
        let others = others
            .map(|i| (&**region, i.instance_id.as_str(), i.name().to_owned(), vec![i.name(), i.private_ip_address.as_str()]));
        nodes.chain(others)
    })
}

/// The machine with this id; none where it is not in the estate.
pub fn by_id(estate: &Estate, id: &str) -> Option<Machine> {
    estate.regions.iter().find_map(|region| {
        let (node, instance) = (node(region, id), instance(region, id));
        let name = match node {
            Some(node) => name_of(node, instance).to_owned(),
            None => instance?.name().to_owned(),
        };
        Some(machine(estate, region, id, &name))
    })
}

/// The machine that a session is or was on, as the estate tells, else as whoever remembers the session does.
pub fn of_session(estate: &Estate, known: Machine) -> Machine {
    by_id(estate, &known.id).unwrap_or_else(|| Machine {
        account_name: estate.account_label(&known.account).to_owned(),
        environment: estate.account(&known.account).and_then(|a| a.environment.value),
        ..known
    })
}

/// The machines that a text names: an instance id, a name, a private address, or one of these behind `account/`, where
/// the account is given by its name or id. The names are compared whole, without regard to case.
pub fn named(estate: &Estate, text: &str) -> Vec<Machine> {
    let fits = |text: &str, account: Option<&str>| -> Vec<Machine> {
        let found = all(estate).filter(|(region, id, _, names)| {
            let place = account.is_none_or(|wanted| {
                let label = estate.account_label(&region.account);
                region.account == wanted || label.eq_ignore_ascii_case(wanted)
            });
            place && (*id == text || names.iter().any(|name| !name.is_empty() && name.eq_ignore_ascii_case(text)))
        });
        found.map(|(region, id, name, _)| machine(estate, region, id, &name)).collect()
    };
    let whole = fits(text, None);
    match text.split_once('/') {
        Some((account, name)) if whole.is_empty() => fits(name, Some(account)),
        _ => whole,
    }
}

/// The machine behind a row of a listing, by the row's id.
///
/// # Errors
/// In words: there is none.
pub fn behind(estate: &Estate, listing: ListingId, id: &str) -> Result<Machine, String> {
    let gone = || format!("{id} is not in what was collected.");
    match listing {
        ListingId::Nodes | ListingId::Instances => by_id(estate, id).ok_or_else(gone),
        ListingId::Interfaces => {
            let interfaces = estate.regions.iter().flat_map(|r| &r.network.interfaces);
            let interface = interfaces.into_iter().find(|i| i.network_interface_id == id).ok_or_else(gone)?;
            if interface.instance().is_empty() {
                return Err("No instance is attached to this interface, so there is nothing to open a session on.".into());
            }
            by_id(estate, interface.instance()).ok_or_else(|| format!("{} is not in what was collected.", interface.instance()))
        }
        ListingId::Sessions => {
            let mut sessions = estate.regions.iter().flat_map(|r| &r.sessions);
            let session = sessions.find(|s| s.session_id == id).ok_or_else(gone)?;
            by_id(estate, &session.target).ok_or_else(|| format!("{} is not in what was collected.", session.target))
        }
        _ => Err("There is no machine behind this row to open a session on.".into()),
    }
}

/// The machine that a finding's resource is, or hangs on.
///
/// # Errors
/// In words: there is none.
pub fn of_resource(estate: &Estate, resource: &ResourceRef) -> Result<Machine, String> {
    let none = || format!("{} is no machine, so there is nothing to open a session on.", resource.short());
    let link = resource_link(resource).ok_or_else(none)?;
    let id = link.filter.split_once('=').map_or("", |(_, id)| id.trim_matches('"'));
    match link.listing {
        ListingId::Nodes | ListingId::Instances | ListingId::Interfaces => behind(estate, link.listing, id),
        _ => Err(none()),
    }
}

/// What stands before a session on a machine.
pub fn guard(rails: &Guardrails, estate: &Estate, machine: &Machine) -> Guarded {
    let account = estate.account(&machine.account).map_or_else(|| Account::bare(&machine.account), |a| (**a).clone());
    rails.before(&account, Act::Sessions)
}

/// As [`unreachable`], and as far as the network engine tells: what stops the agent of a machine that is no managed node.
pub fn doubt(estate: &Estate, picture: Option<&Picture>, machine: &Machine) -> Option<String> {
    let known = unreachable(estate, machine);
    let region = estate.region(&machine.account, &machine.region)?;
    let stopped = picture.filter(|_| node(region, &machine.id).is_none()).and_then(|picture| {
        let Some(Object::Instance(at)) = picture.net.object(&machine.id) else { return None };
        picture.agents.get(at)?.as_ref().filter(|agent| agent.verdict == Verdict::No).map(|agent| agent.why.clone())
    });
    match (known, stopped) {
        (Some(known), Some(why)) if instance(region, &machine.id).is_some_and(|i| i.state() == "running") => {
            Some(format!("{known} The network stops its agent: {why}"))
        }
        (known, _) => known,
    }
}

/// Why Session Manager does not reach a machine, as far as the estate tells; none where nothing speaks against it.
pub fn unreachable(estate: &Estate, machine: &Machine) -> Option<String> {
    let region = estate.region(&machine.account, &machine.region)?;
    let name = &machine.name;
    let state = instance(region, &machine.id).map_or("", |i| i.state());
    if !matches!(state, "" | "running") {
        return Some(format!("{name} is {state}: a session needs a running machine."));
    }
    if let Some(node) = node(region, &machine.id) {
        let since =
            node.last_ping_date_time.map(|at| format!(" since {} UTC", at.strftime("%Y-%m-%d %H:%M"))).unwrap_or_default();
        return match node.ping_status.as_str() {
            "ConnectionLost" | "Inactive" => Some(format!(
                "{name}'s agent has not answered{since}, it is {}: is the machine up, and does it reach ssmmessages?",
                node.ping_status
            )),
            _ => None,
        };
    }
    let instance = instance(region, &machine.id)?;
    Some(if instance.iam_instance_profile.is_none() {
        format!("{name} is no managed node: it has no instance profile, so its agent may not register.")
    } else {
        format!(
            "{name} is no managed node: either no SSM agent runs on it, its role does not let it register, or it does not \
             reach the ssm and ssmmessages endpoints."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::exposure::NothingKnown;
    use crate::network::picture::Terms;
    use serde_json::json;

    fn estate() -> Estate {
        let mut estate = Estate::default();
        for (id, name) in [("111122223333", "payments-prod"), ("444455556666", "data-lake")] {
            estate.put_account(Account { name: name.into(), ..Account::bare(id) });
            let region = estate.region_mut(id, "eu-west-1");
            let instances = json!([
                {"InstanceId": format!("i-{id}web"), "PrivateIpAddress": "10.0.0.7", "Tags": [{"Key": "Name", "Value": "web"}],
                 "State": {"Name": "running"}, "IamInstanceProfile": {"Arn": "a", "Id": "b"}},
                {"InstanceId": format!("i-{id}db"), "PrivateIpAddress": "10.0.0.8", "State": {"Name": "stopped"}},
                {"InstanceId": format!("i-{id}bare"), "PrivateIpAddress": "10.0.0.9", "State": {"Name": "running"}},
            ]);
            region.network.instances = serde_json::from_value(instances).unwrap();
            let interfaces = json!([
                {"NetworkInterfaceId": format!("eni-{id}"), "Attachment": {"InstanceId": format!("i-{id}web")}},
                {"NetworkInterfaceId": format!("eni-{id}free")},
            ]);
            region.network.interfaces = serde_json::from_value(interfaces).unwrap();
            region.nodes = vec![Node {
                instance_id: format!("i-{id}web"),
                ping_status: "Online".into(),
                computer_name: format!("web.{name}.example"),
                ..Node::default()
            }];
        }
        estate
    }

    #[test]
    fn names_addresses_and_accounts_find_machines_and_tell_who_is_meant() {
        let estate = estate();
        let ids = |text: &str| named(&estate, text).into_iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(ids("i-111122223333db"), ["i-111122223333db"]);
        assert_eq!(ids("WEB").len(), 2, "ambiguous: both are told");
        assert_eq!(ids("data-lake/web"), ["i-444455556666web"]);
        assert_eq!(ids("444455556666/10.0.0.8"), ["i-444455556666db"]);
        assert_eq!(ids("web.payments-prod.example"), ["i-111122223333web"]);
        assert_eq!(ids("we"), Vec::<String>::new());
        assert_eq!(ids(""), Vec::<String>::new());
        let web = &named(&estate, "data-lake/web")[0];
        assert_eq!((web.account_name.as_str(), web.name.as_str(), web.region.as_str()), ("data-lake", "web", "eu-west-1"));
    }

    #[test]
    fn rows_and_resources_lead_to_their_machine() {
        let estate = estate();
        let behind = |listing, id: &str| behind(&estate, listing, id).map(|m| m.id);
        assert_eq!(behind(ListingId::Interfaces, "eni-111122223333"), Ok("i-111122223333web".into()));
        assert!(behind(ListingId::Interfaces, "eni-111122223333free").unwrap_err().contains("No instance is attached"));
        assert!(behind(ListingId::Vpcs, "vpc-1").is_err());
        let of = |id: &str| of_resource(&estate, &ResourceRef::new(id, "")).map(|m| m.id);
        assert_eq!(of("arn:aws:ec2:eu-west-1:111122223333:instance/i-111122223333db"), Ok("i-111122223333db".into()));
        assert_eq!(of("eni-444455556666"), Ok("i-444455556666web".into()));
        assert!(of("arn:aws:s3:::bucket").unwrap_err().contains("no machine"));
    }

    #[test]
    fn what_the_network_stops_is_told_of_machines_that_are_no_nodes() {
        let mut estate = estate();
        let network = &mut estate.region_mut("111122223333", "eu-west-1").network;
        network.vpcs = serde_json::from_value(json!([{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}])).unwrap();
        let subnet = json!([{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}]);
        network.subnets = serde_json::from_value(subnet).unwrap();
        let local = json!([{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}]);
        let tables = json!([{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Routes": local, "Associations": [{"Main": true}]}]);
        network.route_tables = serde_json::from_value(tables).unwrap();
        let interfaces = json!([{"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.0.9",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.9", "Primary": true}],
            "Attachment": {"InstanceId": "i-111122223333bare", "Status": "attached"}}]);
        network.interfaces = serde_json::from_value(interfaces).unwrap();
        let picture = Picture::of(&estate, &Terms::default(), &NothingKnown);
        let machine = |id: &str| by_id(&estate, id).unwrap();
        let said = doubt(&estate, Some(&picture), &machine("i-111122223333bare")).unwrap();
        assert!(said.contains("no instance profile") && said.contains("The network stops its agent: "), "{said}");
        let said = doubt(&estate, None, &machine("i-111122223333bare")).unwrap();
        assert!(!said.contains("The network"), "{said}");
        let said = doubt(&estate, Some(&picture), &machine("i-111122223333db")).unwrap();
        assert!(said.contains("is stopped") && !said.contains("The network"), "{said}");
        assert_eq!(doubt(&estate, Some(&picture), &machine("i-111122223333web")), None);
    }

    #[test]
    fn what_stands_in_the_way_is_told() {
        let mut estate = estate();
        let why = |estate: &Estate, id: &str| unreachable(estate, &by_id(estate, id).unwrap());
        assert_eq!(why(&estate, "i-111122223333web"), None);
        assert!(why(&estate, "i-111122223333db").unwrap().contains("is stopped"));
        assert!(why(&estate, "i-111122223333bare").unwrap().contains("no instance profile"));
        estate.region_mut("111122223333", "eu-west-1").nodes[0].ping_status = "ConnectionLost".into();
        assert!(why(&estate, "i-111122223333web").unwrap().contains("has not answered"));
    }
}
