//! What lets packets through: security groups and network ACLs, in the shapes of `ec2:Describe*`.

use serde::{Deserialize, Serialize};

use crate::model::Extra;
use crate::model::account::Tags;
use crate::model::lenient;
use crate::model::principal::tags;

object! {
    /// `ec2:DescribeSecurityGroups`
    SecurityGroup {
        group_id: String,
        group_name: String,
        description: String,
        vpc_id: String,
        owner_id: String,
        #[serde(deserialize_with = "lenient::list")]
        ip_permissions: Vec<IpPermission>,
        #[serde(deserialize_with = "lenient::list")]
        ip_permissions_egress: Vec<IpPermission>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// One set of rules of a security group: a protocol, its ports, and all peers.
    IpPermission {
        /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol number, or `-1` for all.
        ip_protocol: String,
        /// None for all ports; for ICMP the type.
        #[serde(deserialize_with = "lenient::number")]
        from_port: Option<i64>,
        /// For ICMP the code.
        #[serde(deserialize_with = "lenient::number")]
        to_port: Option<i64>,
        #[serde(deserialize_with = "lenient::list")]
        ip_ranges: Vec<IpRange>,
        #[serde(deserialize_with = "lenient::list")]
        ipv6_ranges: Vec<Ipv6Range>,
        #[serde(deserialize_with = "lenient::list")]
        prefix_list_ids: Vec<PrefixListRef>,
        #[serde(deserialize_with = "lenient::list")]
        user_id_group_pairs: Vec<GroupPair>,
    }
}

impl IpPermission {
    /// `all`, `tcp 22`, `tcp 1024-65535`, `icmp`.
    pub fn ports(&self) -> String {
        let protocol = match self.ip_protocol.as_str() {
            "-1" => return "all".to_owned(),
            "6" => "tcp",
            "17" => "udp",
            "1" => "icmp",
            "58" => "icmpv6",
            other => other,
        };
        match (self.from_port, self.to_port) {
            (Some(from), Some(to)) if !protocol.starts_with("icmp") && from >= 0 && (from > 0 || to != 65_535) => {
                if from == to {
                    format!("{protocol} {from}")
                } else {
                    format!("{protocol} {from}-{to}")
                }
            }
            _ => protocol.to_owned(),
        }
    }
    /// Every peer as one word: CIDRs, prefix lists, groups.
    pub fn peers(&self) -> impl Iterator<Item = &str> {
        (self.ip_ranges.iter().map(|r| r.cidr_ip.as_str()))
            .chain(self.ipv6_ranges.iter().map(|r| r.cidr_ipv6.as_str()))
            .chain(self.prefix_list_ids.iter().map(|p| p.prefix_list_id.as_str()))
            .chain(self.user_id_group_pairs.iter().map(|g| g.group_id.as_str()))
    }
    /// Whether it names the whole IPv4 or IPv6 internet.
    pub fn is_open(&self) -> bool {
        self.peers().any(|p| p == "0.0.0.0/0" || p == "::/0")
    }
}

object! { IpRange { cidr_ip: String, description: String } }
object! { Ipv6Range { cidr_ipv6: String, description: String } }
object! { PrefixListRef { prefix_list_id: String, description: String } }
object! {
    /// A security group as a peer, in this or a peered VPC.
    GroupPair {
        group_id: String,
        user_id: String,
        vpc_id: String,
        vpc_peering_connection_id: String,
        peering_status: String,
        description: String,
    }
}

object! {
    /// `ec2:DescribeNetworkAcls`
    NetworkAcl {
        network_acl_id: String,
        vpc_id: String,
        #[serde(deserialize_with = "lenient::flag")]
        is_default: bool,
        #[serde(deserialize_with = "lenient::list")]
        entries: Vec<AclEntry>,
        #[serde(deserialize_with = "lenient::list")]
        associations: Vec<AclAssociation>,
        #[serde(with = "tags")]
        tags: Tags,
    }
}

object! {
    /// One entry; lower numbers are read first, the first match decides.
    AclEntry {
        #[serde(deserialize_with = "lenient::number")]
        rule_number: Option<i64>,
        protocol: String,
        /// `allow` or `deny`.
        rule_action: String,
        #[serde(deserialize_with = "lenient::flag")]
        egress: bool,
        cidr_block: String,
        ipv6_cidr_block: String,
        #[serde(deserialize_with = "lenient::maybe")]
        port_range: Option<PortRange>,
        #[serde(deserialize_with = "lenient::maybe")]
        icmp_type_code: Option<IcmpTypeCode>,
    }
}

object! {
    PortRange {
        #[serde(deserialize_with = "lenient::number")]
        from: Option<i64>,
        #[serde(deserialize_with = "lenient::number")]
        to: Option<i64>,
    }
}
object! {
    IcmpTypeCode {
        #[serde(rename = "Type", deserialize_with = "lenient::number")]
        kind: Option<i64>,
        #[serde(deserialize_with = "lenient::number")]
        code: Option<i64>,
    }
}
object! { AclAssociation { subnet_id: String, network_acl_association_id: String } }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_scalars_and_json_scalars_read_alike() {
        let xml_like =
            r#"{"IpProtocol":"tcp","FromPort":"22","ToPort":"22","IpRanges":[{"CidrIp":"0.0.0.0/0"}],"Ipv6Ranges":""}"#;
        let json = r#"{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}"#;
        let a: IpPermission = serde_json::from_str(xml_like).unwrap();
        let b: IpPermission = serde_json::from_str(json).unwrap();
        assert_eq!(a, b);
        assert!(a.is_open());
        assert_eq!(a.ports(), "tcp 22");
    }

    #[test]
    fn ports_read_as_people_write_them() {
        let permission = |protocol: &str, from, to| IpPermission {
            ip_protocol: protocol.into(),
            from_port: from,
            to_port: to,
            ..Default::default()
        };
        assert_eq!(permission("-1", None, None).ports(), "all");
        assert_eq!(permission("tcp", Some(0), Some(65_535)).ports(), "tcp");
        assert_eq!(permission("6", Some(1024), Some(2048)).ports(), "tcp 1024-2048");
        assert_eq!(permission("icmp", Some(-1), Some(-1)).ports(), "icmp");
    }
}
