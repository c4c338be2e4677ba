//! Network ACLs: the default ones, closed ones around production data, and two that are open where they should not be.

use crate::demo::accounts::{SEATS, tags};
use crate::demo::network::{AclOpen, Ground, Place, Yard};
use crate::demo::random::id;
use crate::model::network::{AclAssociation, AclEntry, NetworkAcl, PortRange};

/// One entry; `ports` none for all.
fn entry(number: i64, egress: bool, action: &str, cidr: &str, ports: Option<(i64, i64)>) -> AclEntry {
    AclEntry {
        rule_number: Some(number),
        protocol: if ports.is_some() { "6" } else { "-1" }.to_owned(),
        rule_action: action.to_owned(),
        egress,
        cidr_block: cidr.to_owned(),
        port_range: ports.map(|(from, to)| PortRange { from: Some(from), to: Some(to), ..PortRange::default() }),
        ..AclEntry::default()
    }
}

/// Adds the VPC's network ACLs; each subnet has exactly one.
pub(super) fn add(ground: &mut Ground, yard: &Yard) {
    let all = "0.0.0.0/0";
    let allow = [false, true].into_iter().flat_map(|e| [entry(100, e, "allow", all, None), entry(32_767, e, "deny", all, None)]);
    let serve = |acl: &str, places: &[Place]| -> Vec<AclAssociation> {
        let of = |p: &Place| AclAssociation {
            subnet_id: p.subnet.clone(),
            network_acl_association_id: id("aclassoc", &format!("{acl}{}", p.subnet)),
            ..AclAssociation::default()
        };
        places.iter().map(of).collect()
    };
    let mut made = Vec::new();
    let mut acl = |part: &str, entries: Vec<AclEntry>, places: &[Place]| {
        let acl_id = yard.id("acl", part);
        made.push(NetworkAcl {
            associations: serve(&acl_id, places),
            network_acl_id: acl_id,
            vpc_id: yard.vpc.clone(),
            is_default: part == "default",
            entries,
            tags: if part == "default" { tags(&[]) } else { tags(&[("Name", &yard.name(part))]) },
            ..NetworkAcl::default()
        });
    };
    let open = yard.site.mistakes.contains(&AclOpen);
    let production = SEATS[yard.account].unit.ends_with("/Production");
    let mut rest = if open { Vec::new() } else { yard.public.clone() };
    rest.extend(yard.private.iter().cloned());
    if !production {
        rest.extend(yard.data.iter().cloned());
    }
    acl("default", allow.collect(), &rest);
    if open {
        let entries = vec![
            entry(90, false, "allow", all, Some((22, 22))),
            entry(95, false, "allow", all, Some((3389, 3389))),
            entry(100, false, "allow", all, Some((443, 443))),
            entry(110, false, "allow", all, Some((1024, 65_535))),
            entry(32_767, false, "deny", all, None),
            entry(100, true, "allow", all, None),
            entry(32_767, true, "deny", all, None),
        ];
        acl("public-acl", entries, &yard.public);
    }
    if production {
        let entries = vec![
            entry(100, false, "allow", &yard.cidr, None),
            entry(32_767, false, "deny", all, None),
            entry(100, true, "allow", &yard.cidr, None),
            entry(110, true, "allow", all, Some((443, 443))),
            entry(32_767, true, "deny", all, None),
        ];
        acl("data-acl", entries, &yard.data);
    }
    ground.network(yard).network_acls.extend(made);
}
