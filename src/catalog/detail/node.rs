//! Managed nodes.

use jiff::Timestamp;

use crate::catalog::detail::parts::{Detail, Writer, tags};
use crate::catalog::{ListingId, nodes};
use crate::listing::filter::exactly;
use crate::model::estate::{Estate, RegionEstate};
use crate::model::node::Node;

pub fn node(region: &RegionEstate, o: &Node, estate: &Estate, now: Timestamp) -> Detail {
    let instance = region.network.instances.iter().find(|i| i.instance_id == o.instance_id);
    let mut w = Writer::new(format!("{} {}", o.instance_id, nodes::name_of(o, instance)), now);
    let [account, place] = w.place(estate, region);
    let agent = match o.is_latest_version {
        Some(false) => format!("{} (a newer one is out)", o.agent_version),
        _ => o.agent_version.clone(),
    };
    w.facts(
        "",
        &[
            ("ping", o.ping_status.clone()),
            ("last answer", w.time(o.last_ping_date_time)),
            account,
            place,
            ("platform", format!("{} {} {}", o.platform_type, o.platform_name, o.platform_version)),
            ("agent", agent),
            ("address", o.ip_address.clone()),
            ("computer name", o.computer_name.clone()),
            ("role at activation", o.iam_role.clone()),
        ],
    );
    if let Some(instance) = instance {
        let profile = instance.iam_instance_profile.as_ref().map_or("", |p| &p.arn);
        w.facts(
            "Instance",
            &[
                ("state", instance.state().to_owned()),
                ("type", instance.instance_type.clone()),
                ("image", instance.image_id.clone()),
                ("public address", instance.public_ip_address.clone()),
                ("subnet", instance.subnet_id.clone()),
                ("VPC", instance.vpc_id.clone()),
                ("instance profile", profile.to_owned()),
                (
                    "metadata service",
                    instance.metadata_options.as_ref().map_or_else(String::new, |m| format!("tokens {}", m.http_tokens)),
                ),
            ],
        );
        w.section("Tags", tags(&instance.tags));
        let identity = estate.identity(&region.account);
        let role = identity.and_then(|i| {
            i.roles.iter().find(|r| r.instance_profile_list.iter().any(|p| !profile.is_empty() && p.arn == profile))
        });
        if let Some(role) = role {
            w.link(format!("role {}", role.role_name), ListingId::Principals, exactly("id", &role.arn));
        }
        w.link("interfaces", ListingId::Interfaces, exactly("instance", &instance.instance_id));
        w.link("subnet", ListingId::Subnets, exactly("id", &instance.subnet_id));
    }
    w.link("sessions on it", ListingId::Sessions, exactly("node", &o.instance_id));
    w.findings_on(&o.instance_id);
    w.finish()
}
