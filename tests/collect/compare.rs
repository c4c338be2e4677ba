//! What was seeded against what arrived, object by object. It starts and asks nothing.

use std::collections::{BTreeMap, BTreeSet};

use bartizan::model::estate::Estate;
use bartizan::model::finding::Finding;
use bartizan::model::network::Network;
use bartizan::model::principal::{AttachedPolicy, Document, InlinePolicy};
use serde_json::Value;

use crate::support::organization::{Kind as Object, Rules, Seeded};

/// Everything seeded in the accounts that may be read, object by object.
pub fn compare(seeded: &Seeded, estate: &Estate, findings: &[Finding], denied: &[&str]) {
    accounts(seeded, estate);
    let readable = |account: &str| !denied.contains(&account);
    for kind in [
        Object::Vpc,
        Object::Subnet,
        Object::RouteTable,
        Object::SecurityGroup,
        Object::NetworkAcl,
        Object::Interface,
        Object::InternetGateway,
        Object::NatGateway,
        Object::Peering,
        Object::TransitGateway,
        Object::TransitGatewayAttachment,
        Object::TransitGatewayRouteTable,
        Object::VpnGateway,
        Object::VpnConnection,
        Object::CustomerGateway,
        Object::Endpoint,
        Object::PrefixList,
        Object::Address,
        Object::Instance,
        Object::LoadBalancer,
        Object::TargetGroup,
    ] {
        let want: BTreeSet<_> = seeded.all(kind).into_iter().filter(|(account, ..)| readable(account)).collect();
        let have: BTreeSet<_> = estate
            .regions
            .iter()
            .flat_map(|r| ids(&r.network, kind).into_iter().map(|id| (r.account.clone(), r.region.clone(), id)))
            .collect();
        assert!(!want.is_empty(), "{kind:?} were seeded");
        assert_eq!(have, want, "{kind:?}");
    }
    let mut came: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for finding in findings {
        came.entry((finding.account.clone(), finding.region.clone())).or_default().insert(finding.source.id.clone());
    }
    let mut want = BTreeMap::new();
    for account in seeded.active().filter(|a| readable(&a.id)) {
        for (region, place) in &account.places {
            want.insert((account.id.clone(), region.clone()), place.findings.clone());
            let have = estate.region(&account.id, region).unwrap_or_else(|| panic!("{} {region} is missing", account.id));
            network(&place.network, &have.network);
            assert_eq!(have.nodes.iter().map(|n| n.instance_id.clone()).collect::<BTreeSet<_>>(), place.nodes);
            assert_eq!(have.sessions.iter().map(|s| s.session_id.clone()).collect::<BTreeSet<_>>(), place.sessions);
            assert!(have.nodes.iter().all(|n| n.last_ping_date_time.is_some() && !n.ping_status.is_empty()));
        }
        identity(account, estate);
    }
    assert_eq!(came, want);
    assert_eq!(findings.len(), want.values().map(BTreeSet::len).sum::<usize>(), "none came twice");
    for account in denied {
        assert!(estate.identity(account).is_none() && estate.regions.iter().all(|r| r.account != **account), "{account}");
    }
}

fn accounts(seeded: &Seeded, estate: &Estate) {
    let organization = estate.organization.as_ref().unwrap();
    assert_eq!(
        (organization.id.as_str(), organization.management_account.as_str()),
        (seeded.organization.as_str(), seeded.accounts[0].id.as_str())
    );
    let units: BTreeSet<_> =
        organization.units.iter().filter(|u| u.id != seeded.root).map(|u| (&u.id, &u.name, &u.path)).collect();
    assert_eq!(units, seeded.units.iter().map(|u| (&u.id, &u.name, &u.path)).collect());
    assert_eq!(estate.accounts.len(), seeded.accounts.len());
    for want in &seeded.accounts {
        let have = estate.account(&want.id).unwrap_or_else(|| panic!("account {} is missing", want.id));
        assert_eq!((&have.name, &have.email, &have.ou_path, &have.tags), (&want.name, &want.email, &want.path, &want.tags));
        assert_eq!(have.status, if want.suspended { "SUSPENDED" } else { "ACTIVE" });
        assert_eq!(have.environment_word(), want.tags.get("Environment").map_or("unclassified", String::as_str));
        assert_eq!(have.environment.decided_by, "tag Environment");
        assert_eq!(have.owner.value.as_ref(), want.tags.get("Owner"));
    }
}

fn ids(network: &Network, kind: Object) -> Vec<String> {
    macro_rules! of {
        ($list:ident, $id:ident) => {
            network.$list.iter().map(|o| o.$id.clone()).collect()
        };
    }
    match kind {
        Object::Vpc => of!(vpcs, vpc_id),
        Object::Subnet => of!(subnets, subnet_id),
        Object::RouteTable => of!(route_tables, route_table_id),
        Object::SecurityGroup => of!(security_groups, group_id),
        Object::NetworkAcl => of!(network_acls, network_acl_id),
        Object::Interface => of!(interfaces, network_interface_id),
        Object::InternetGateway => of!(internet_gateways, internet_gateway_id),
        Object::NatGateway => of!(nat_gateways, nat_gateway_id),
        Object::Peering => of!(peerings, vpc_peering_connection_id),
        Object::TransitGatewayAttachment => of!(transit_gateway_attachments, transit_gateway_attachment_id),
        Object::Endpoint => of!(endpoints, vpc_endpoint_id),
        Object::PrefixList => of!(prefix_lists, prefix_list_id),
        Object::Address => of!(addresses, allocation_id),
        Object::Instance => of!(instances, instance_id),
        Object::LoadBalancer => of!(load_balancers, load_balancer_arn),
        Object::TransitGateway => of!(transit_gateways, transit_gateway_id),
        Object::TransitGatewayRouteTable => of!(transit_gateway_route_tables, transit_gateway_route_table_id),
        Object::VpnGateway => of!(vpn_gateways, vpn_gateway_id),
        Object::VpnConnection => of!(vpn_connections, vpn_connection_id),
        Object::CustomerGateway => of!(customer_gateways, customer_gateway_id),
        Object::TargetGroup => of!(target_groups, target_group_arn),
    }
}

fn network(want: &crate::support::organization::Network, have: &Network) {
    for (vpc, cidrs) in &want.cidrs {
        let found = have.vpcs.iter().find(|v| v.vpc_id == *vpc).unwrap();
        assert_eq!(found.cidrs(), cidrs.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.tags["team"], "platform");
    }
    for (group, rules) in &want.rules {
        let found = have.security_groups.iter().find(|g| g.group_id == *group).unwrap();
        let mut came = Rules::new();
        for permission in &found.ip_permissions {
            let port = |port: Option<i64>| i32::try_from(port.unwrap()).unwrap();
            let (from, to) = (port(permission.from_port), port(permission.to_port));
            came.extend(permission.peers().map(|peer| (permission.ip_protocol.clone(), from, to, peer.to_owned())));
        }
        assert_eq!(came, *rules);
        let egress: Vec<&str> = found.ip_permissions_egress.iter().flat_map(|p| p.peers()).collect();
        assert_eq!(egress, ["0.0.0.0/0"]);
    }
    let named = |name: &str| want.named[name].clone();
    let routes: BTreeSet<_> = have
        .route_tables
        .iter()
        .flat_map(|t| t.routes.iter().map(|r| (t.route_table_id.clone(), r.destination().to_owned(), r.target().to_owned())))
        .filter(|(table, _, target)| target != "local" && want.named.values().any(|id| id == table))
        .filter(|(_, _, target)| !target.starts_with("vpce-"))
        .collect();
    assert_eq!(routes, want.routes);
    let served = have.route_tables.iter().find(|t| t.route_table_id == named("route table public")).unwrap();
    let subnets: BTreeSet<&str> = served.associations.iter().map(|a| a.subnet_id.as_str()).filter(|s| !s.is_empty()).collect();
    assert_eq!(subnets, BTreeSet::from([want.id("subnet public-a"), want.id("subnet public-b")]));
    let public: BTreeSet<_> = have
        .interfaces
        .iter()
        .filter(|i| i.network_interface_id == named("interface bastion"))
        .flat_map(|i| i.public_addresses().into_iter().map(|a| (i.network_interface_id.clone(), a.to_owned())))
        .collect();
    assert_eq!(public, want.public);
    let offices = have.prefix_lists.iter().find(|p| p.prefix_list_id == named("prefix list offices")).unwrap();
    let entries: BTreeSet<_> = offices.entries.iter().map(|e| (e.cidr.as_str(), e.description.as_str())).collect();
    assert_eq!(entries, BTreeSet::from([("198.51.100.0/24", "Berlin"), ("203.0.113.0/25", "Lyon")]));
    let acl = have.network_acls.iter().find(|a| a.network_acl_id == named("network acl")).unwrap();
    let entries: BTreeSet<_> = acl
        .entries
        .iter()
        .filter_map(|e| {
            Some((e.rule_number?, e.egress, e.rule_action.clone(), e.port_range.as_ref()?.from?, e.port_range.as_ref()?.to?))
        })
        .collect();
    let want_entries = [(90, false, "deny", 22, 22), (100, false, "allow", 5432, 5432), (100, true, "allow", 1024, 65535)];
    assert_eq!(entries, want_entries.into_iter().map(|(n, e, action, f, t)| (n, e, action.to_owned(), f, t)).collect());
    let web = have.instances.iter().find(|i| i.instance_id == named("instance web-0")).unwrap();
    assert_eq!((web.name(), web.state(), web.subnet_id.as_str()), ("web-0", "running", want.id("subnet private-a")));
    assert!(web.iam_instance_profile.as_ref().unwrap().arn.ends_with(":instance-profile/web-server"));
    assert_eq!(web.security_groups.iter().map(|g| g.group_id.as_str()).collect::<Vec<_>>(), [want.id("group app")]);
    let front = have.load_balancers.iter().find(|l| l.load_balancer_arn == named("load balancer front")).unwrap();
    assert_eq!((front.scheme.as_str(), front.security_groups.as_slice()), ("internet-facing", &[named("group web")][..]));
    assert_eq!(front.listeners.iter().map(|l| l["Port"].as_u64()).collect::<Vec<_>>(), [Some(80)]);
    let attachment = named("transit gateway attachment");
    let joined = have.transit_gateway_attachments.iter().find(|a| a.transit_gateway_attachment_id == attachment).unwrap();
    assert_eq!(joined.subnet_ids, [named("subnet data-a")]);
    let id = named("transit gateway route table");
    let table = have.transit_gateway_route_tables.iter().find(|t| t.transit_gateway_route_table_id == id).unwrap();
    let routes: Vec<_> = table.routes.iter().flatten().map(|r| (r.destination_cidr_block.as_str(), r.state.as_str())).collect();
    assert_eq!(routes, [("172.31.0.0/16", "blackhole")]);
    let from: Vec<_> = table.propagations.iter().flatten().map(|p| p.transit_gateway_attachment_id.clone()).collect();
    let of: Vec<_> = table.associations.iter().flatten().map(|a| a.transit_gateway_attachment_id.clone()).collect();
    assert_eq!((from, of), (vec![attachment.clone()], vec![attachment]));
    let vpn = have.vpn_gateways.iter().find(|g| g.vpn_gateway_id == named("vpn gateway")).unwrap();
    assert_eq!(vpn.vpc_attachments.iter().map(|a| a.vpc_id.as_str()).collect::<Vec<_>>(), [want.id("vpc data")]);
    let vpn = have.vpn_connections.iter().find(|v| v.vpn_connection_id == named("vpn connection")).unwrap();
    assert_eq!((&vpn.vpn_gateway_id, &vpn.customer_gateway_id), (&named("vpn gateway"), &named("customer gateway")));
    let far = have.customer_gateways.iter().find(|c| c.customer_gateway_id == named("customer gateway")).unwrap();
    assert_eq!((far.ip_address.as_str(), far.bgp_asn.as_str()), ("198.51.100.9", "65000"));
    // What a VPN's keys are is nobody's business here.
    assert!(!serde_json::to_string(&vpn).unwrap().to_lowercase().contains("pre_shared_key"));
    let rules = front.rules.as_ref().expect("the rules of an application load balancer are read");
    let own = rules.iter().find(|r| r.rule_arn == named("rule")).unwrap();
    assert_eq!((own.priority.as_str(), own.is_default), ("7", false));
    assert_eq!(own.listener().as_deref(), Some(named("listener").as_str()));
    let listener = bartizan::network::backends::listener(&front.listeners[0]).unwrap();
    let passed: Vec<_> = bartizan::network::backends::passes(&listener, front).into_iter().map(|p| (p.group, p.rule)).collect();
    let group = |name: &str| named(&format!("target group {name}"));
    let expected = [(group("jobs"), "rule 7 (path /jobs/*)".to_owned()), (group("app"), "default action".to_owned())];
    assert_eq!(passed, expected);
    let group = have.target_groups.iter().find(|g| g.target_group_arn == named("target group app")).unwrap();
    let targets: Vec<_> = group.targets.iter().flatten().map(|t| (t.id.as_str(), t.port)).collect();
    assert_eq!(targets, [(want.id("instance web-0"), Some(8080))]);
    let peering = have.peerings.iter().find(|p| p.vpc_peering_connection_id == named("peering")).unwrap();
    let side = |side: &Option<bartizan::model::network::PeerVpc>| side.as_ref().unwrap().vpc_id.clone();
    assert_eq!((side(&peering.requester_vpc_info), side(&peering.accepter_vpc_info)), (named("vpc edge"), named("vpc data")));
}

fn inline(list: &[InlinePolicy]) -> BTreeMap<String, Value> {
    list.iter().map(|p| (p.policy_name.clone(), document(&p.policy_document))).collect()
}

fn document(document: &Document) -> Value {
    document.value().unwrap_or_else(|| panic!("no JSON: {}", document.0))
}

fn attached(list: &[AttachedPolicy]) -> BTreeSet<String> {
    list.iter().map(|p| p.policy_arn.clone()).collect()
}

fn identity(account: &crate::support::organization::Account, estate: &Estate) {
    let want = &account.identity;
    let have = estate.identity(&account.id).unwrap_or_else(|| panic!("IAM of {} is missing", account.id));
    let named = |arns: Vec<&String>| arns.into_iter().cloned().collect::<BTreeSet<String>>();
    assert_eq!(named(have.roles.iter().map(|r| &r.arn).collect()), named(want.roles.iter().map(|r| &r.arn).collect()));
    for want in &want.roles {
        let role = have.roles.iter().find(|r| r.arn == want.arn).unwrap();
        assert_eq!(document(&role.assume_role_policy_document), want.trust, "{}", want.arn);
        assert_eq!(inline(&role.role_policy_list), want.inline.iter().cloned().collect(), "{}", want.arn);
        assert_eq!(attached(&role.attached_managed_policies), want.attached.iter().cloned().collect(), "{}", want.arn);
        assert_eq!(
            role.permissions_boundary.as_ref().map(|b| &b.permissions_boundary_arn),
            want.boundary.as_ref(),
            "{}",
            want.arn
        );
        assert_eq!(role.tags, want.tags.iter().cloned().collect(), "{}", want.arn);
        let profiles: Vec<&str> = role.instance_profile_list.iter().map(|p| p.instance_profile_name.as_str()).collect();
        assert_eq!(profiles, if want.instance_profile { vec![want.name.as_str()] } else { vec![] });
    }
    assert_eq!(named(have.users.iter().map(|u| &u.arn).collect()), named(want.users.iter().map(|u| &u.arn).collect()));
    let mut keys = BTreeSet::new();
    for want in &want.users {
        let user = have.users.iter().find(|u| u.arn == want.arn).unwrap();
        assert_eq!(user.group_list.iter().collect::<BTreeSet<_>>(), want.groups.iter().collect());
        assert_eq!(attached(&user.attached_managed_policies), want.attached.iter().cloned().collect());
        assert_eq!(inline(&user.user_policy_list), want.inline.iter().cloned().collect());
        keys.extend(
            want.keys
                .iter()
                .map(|(id, active)| (want.name.clone(), id.clone(), if *active { "Active" } else { "Inactive" }.to_owned())),
        );
        let row = have.credentials.iter().find(|row| row["arn"] == want.arn.as_str()).unwrap();
        assert_eq!(row["password_enabled"].as_str().unwrap().eq_ignore_ascii_case("true"), want.login, "{}", want.arn);
    }
    assert_eq!(
        have.access_keys
            .iter()
            .map(|k| (k.user_name.clone(), k.access_key_id.clone(), k.status.clone()))
            .collect::<BTreeSet<_>>(),
        keys
    );
    assert_eq!(have.groups.len(), want.groups.len());
    for want in &want.groups {
        let group = have.groups.iter().find(|g| g.arn == want.arn).unwrap();
        assert_eq!(attached(&group.attached_managed_policies), want.attached.iter().cloned().collect());
        assert_eq!(inline(&group.group_policy_list), want.inline.iter().cloned().collect());
    }
    for want in &want.policies {
        let policy = have.policies.iter().find(|p| p.arn == want.arn).unwrap();
        assert_eq!(policy.default_document().map(document), Some(want.document.clone()));
        assert_eq!(policy.policy_version_list.len(), want.versions);
    }
    assert_eq!(have.saml_providers.iter().map(|p| p.arn.clone()).collect::<Vec<_>>(), want.saml_providers);
    assert_eq!(have.oidc_providers.iter().map(|p| p.arn.clone()).collect::<Vec<_>>(), want.oidc_providers);
    assert_eq!(have.oidc_providers[0].client_id_list, ["sts.amazonaws.com"]);
    let length = have.password_policy.as_ref().map(|p| p["MinimumPasswordLength"].as_i64());
    assert_eq!(length, want.password_length.map(|n| Some(i64::from(n))));
    assert_eq!(have.summary["Users"], want.users.len());
}
