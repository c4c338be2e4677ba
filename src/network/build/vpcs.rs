//! VPCs, subnets, prefix lists, and the gateways that are attached to a VPC.

use crate::model::estate::RegionEstate;
use crate::model::network as aws;
use crate::network::build::{Builder, name};
use crate::network::net::{Blocked, Gateway, Object, PrefixList, Subnet, Vpc};
use crate::network::packets::{Addresses, cidr};

impl Builder<'_> {
    pub(super) fn vpcs(&mut self, home: usize, part: &RegionEstate) {
        for vpc in &part.network.vpcs {
            let owner = vpc.owner_id.is_empty() || vpc.owner_id == part.account;
            if let Some(Object::Vpc(ix)) = self.net.object(&vpc.vpc_id) {
                // The owner's account is where it stands.
                if owner {
                    self.net.vpcs[ix].home = home;
                }
                continue;
            }
            let texts = vpc.cidrs();
            let nets = self.nets(&vpc.vpc_id, texts.iter().copied());
            let ix = self.net.vpcs.len();
            if self.enter(&vpc.vpc_id, Object::Vpc(ix)) {
                self.net.vpcs.push(Vpc {
                    id: vpc.vpc_id.clone(),
                    name: name(&vpc.tags),
                    home,
                    cidrs: Addresses::of(nets),
                    cidr_texts: texts.into_iter().map(str::to_owned).collect(),
                    is_default: vpc.is_default,
                    private_v6: private_v6(vpc),
                    seen: true,
                    ..Vpc::default()
                });
            }
        }
    }
    pub(super) fn prefix_lists(&mut self, home: usize, part: &RegionEstate) {
        let read = self.covered(part, "ec2:GetManagedPrefixListEntries");
        for list in &part.network.prefix_lists {
            let texts: Vec<String> = list.entries.iter().map(|e| e.cidr.clone()).collect();
            let before = self.gaps.len();
            let nets = self.nets(&list.prefix_list_id, texts.iter().map(String::as_str));
            // AWS's own lists are never empty; one's own may be.
            let known = read && self.gaps.len() == before && !(texts.is_empty() && list.owner_id == "AWS");
            let ix = self.net.prefix_lists.len();
            if self.enter(&list.prefix_list_id, Object::PrefixList(ix)) {
                self.net.prefix_lists.push(PrefixList {
                    id: list.prefix_list_id.clone(),
                    name: list.prefix_list_name.clone(),
                    home,
                    entries: known.then(|| Addresses::of(nets)),
                    texts,
                });
            } else if known && let Some(Object::PrefixList(ix)) = self.net.object(&list.prefix_list_id) {
                // Another account or region could read the entries.
                self.net.prefix_lists[ix].entries.get_or_insert_with(|| Addresses::of(nets));
            }
        }
    }
    pub(super) fn subnets(&mut self, home: usize, part: &RegionEstate) {
        for subnet in &part.network.subnets {
            if let Some(Object::Subnet(ix)) = self.net.object(&subnet.subnet_id) {
                if subnet.owner_id == part.account {
                    self.net.subnets[ix].home = home;
                }
                continue;
            }
            let v6 = subnet.ipv6_cidr_block_association_set.iter().map(aws::CidrAssociation::cidr);
            let texts: Vec<String> =
                std::iter::once(subnet.cidr_block.as_str()).chain(v6).filter(|t| !t.is_empty()).map(str::to_owned).collect();
            let nets = self.nets(&subnet.subnet_id, texts.iter().map(String::as_str));
            let blocked = self.blocked(part, subnet);
            let ix = self.net.subnets.len();
            if self.enter(&subnet.subnet_id, Object::Subnet(ix)) {
                let vpc = self.vpc_ix(home, &subnet.vpc_id);
                self.net.vpcs[vpc].subnets.push(ix);
                self.net.subnets.push(Subnet {
                    id: subnet.subnet_id.clone(),
                    name: name(&subnet.tags),
                    home,
                    vpc,
                    zone: subnet.availability_zone.clone(),
                    zone_id: if subnet.availability_zone_id.is_empty() {
                        subnet.availability_zone.clone()
                    } else {
                        subnet.availability_zone_id.clone()
                    },
                    cidrs: Addresses::of(nets),
                    cidr_texts: texts,
                    blocked,
                    ..Subnet::default()
                });
            }
        }
    }
    /// What VPC Block Public Access blocks of a subnet: as its own state says, else its VPC's, but for what is excluded.
    fn blocked(&mut self, part: &RegionEstate, subnet: &aws::Subnet) -> Blocked {
        let net = &part.network;
        let of_vpc = net.vpcs.iter().find(|v| v.vpc_id == subnet.vpc_id);
        let state = subnet.block_public_access_states.as_ref();
        let state = state.or_else(|| of_vpc?.block_public_access_states.as_ref());
        let (ingress, egress) = match state.map_or("", |s| s.internet_gateway_block_mode.as_str()) {
            "block-ingress" => (true, false),
            "block-bidirectional" => (true, true),
            "" | "off" => return Blocked::default(),
            other => {
                self.gap(&subnet.subnet_id, format!("the mode {other:?} of VPC Block Public Access is not known"));
                return Blocked { ingress: true, egress: true, let_out: false, sure: false };
            }
        };
        let Some(exclusions) = &net.public_access_exclusions else {
            self.gap(
                &subnet.subnet_id,
                "VPC Block Public Access is on; what it leaves alone (ec2:DescribeVpcBlockPublicAccessExclusions) is not known",
            );
            return Blocked { ingress, egress, let_out: false, sure: false };
        };
        let tails = [format!(":subnet/{}", subnet.subnet_id), format!(":vpc/{}", subnet.vpc_id)];
        // An exclusion that is on its way out holds until it is gone.
        let gone = |e: &&aws::BlockPublicAccessExclusion| {
            matches!(e.state.as_str(), "delete-complete" | "create-failed" | "disable-complete")
        };
        let of = |tail: &String| exclusions.iter().filter(|e| !gone(e)).find(|e| e.resource_arn.ends_with(tail.as_str()));
        match tails.iter().find_map(of).map(|e| e.internet_gateway_exclusion_mode.as_str()) {
            Some("allow-bidirectional") => Blocked::default(),
            Some(_) => Blocked { ingress, egress: false, let_out: egress, sure: true },
            None => Blocked { ingress, egress, let_out: false, sure: true },
        }
    }
    pub(super) fn subnet_ix(&mut self, home: usize, vpc: usize, id: &str) -> usize {
        if let Some(Object::Subnet(ix)) = self.net.object(id) {
            return ix;
        }
        let ix = self.net.subnets.len();
        self.enter(id, Object::Subnet(ix));
        self.net.vpcs[vpc].subnets.push(ix);
        self.net.subnets.push(Subnet { id: id.to_owned(), home, vpc, ..Subnet::default() });
        if !id.is_empty() {
            self.gap(id, "the subnet is named but not in the estate");
        }
        ix
    }
    pub(super) fn gateways(&mut self, home: usize, part: &RegionEstate) {
        let attached = |attachments: &[aws::GatewayAttachment]| {
            let live = attachments.iter().find(|a| !matches!(a.state.as_str(), "detached" | "detaching"));
            live.map(|a| a.vpc_id.clone())
        };
        for gateway in &part.network.internet_gateways {
            let ix = self.net.internet_gateways.len();
            if self.enter(&gateway.internet_gateway_id, Object::InternetGateway(ix)) {
                let vpc = attached(&gateway.attachments).map(|id| self.vpc_ix(home, &id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].internet_gateway = Some(ix);
                }
                let (id, name) = (gateway.internet_gateway_id.clone(), name(&gateway.tags));
                self.net.internet_gateways.push(Gateway { id, name, home, vpc });
            }
        }
        for gateway in &part.network.egress_only_gateways {
            let ix = self.net.egress_only_gateways.len();
            if self.enter(&gateway.internet_gateway_id, Object::EgressOnlyGateway(ix)) {
                let vpc = attached(&gateway.attachments).map(|id| self.vpc_ix(home, &id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].egress_only = Some(ix);
                }
                let (id, name) = (gateway.internet_gateway_id.clone(), name(&gateway.tags));
                self.net.egress_only_gateways.push(Gateway { id, name, home, vpc });
            }
        }
        for gateway in &part.network.vpn_gateways {
            let ix = self.net.vpn_gateways.len();
            if gateway.state != "deleted" && self.enter(&gateway.vpn_gateway_id, Object::VpnGateway(ix)) {
                let vpc = attached(&gateway.vpc_attachments).map(|id| self.vpc_ix(home, &id));
                if let Some(vpc) = vpc {
                    self.net.vpcs[vpc].vpn_gateway = Some(ix);
                }
                let (id, name) = (gateway.vpn_gateway_id.clone(), name(&gateway.tags));
                self.net.vpn_gateways.push(Gateway { id, name, home, vpc });
            }
        }
    }
}

/// The IPv6 ranges of a VPC that AWS tells the internet nothing of.
fn private_v6(vpc: &aws::Vpc) -> Addresses {
    let private = vpc.ipv6_cidr_block_association_set.iter().filter(|a| a.ipv6_address_attribute == "private");
    Addresses::of(private.filter_map(|a| cidr(a.cidr()).ok()))
}
