//! Customer gateways and VPN connections: what is known of the far side of a virtual private gateway.

use crate::model::estate::RegionEstate;
use crate::network::build::{Builder, name};
use crate::network::net::{CustomerGateway, Object, VpnConnection};
use crate::network::packets::Addresses;

impl Builder<'_> {
    pub(super) fn customer_gateways(&mut self, home: usize, part: &RegionEstate) {
        for customer in &part.network.customer_gateways {
            let ix = self.net.customer_gateways.len();
            let id = &customer.customer_gateway_id;
            if matches!(customer.state.as_str(), "deleted" | "deleting") || !self.enter(id, Object::CustomerGateway(ix)) {
                continue;
            }
            let address = customer.ip_address.parse().ok();
            if address.is_none() && !customer.ip_address.is_empty() {
                self.gap(id, format!("{:?} is no address", customer.ip_address));
            }
            self.net.customer_gateways.push(CustomerGateway { id: id.clone(), name: name(&customer.tags), home, address });
        }
    }
    /// Every virtual private gateway and customer gateway is known by now.
    pub(super) fn vpn_connections(&mut self, home: usize, part: &RegionEstate) {
        for vpn in &part.network.vpn_connections {
            let ix = self.net.vpn_connections.len();
            let id = &vpn.vpn_connection_id;
            if matches!(vpn.state.as_str(), "deleted" | "deleting") || !self.enter(id, Object::VpnConnection(ix)) {
                continue;
            }
            let gateway = match self.net.object(&vpn.vpn_gateway_id) {
                Some(Object::VpnGateway(g)) => Some(g),
                _ => None,
            };
            let customer = match self.net.object(&vpn.customer_gateway_id) {
                Some(Object::CustomerGateway(c)) => Some(c),
                _ => None,
            };
            let lost = [
                (gateway.is_none(), "virtual private gateway", &vpn.vpn_gateway_id),
                (customer.is_none(), "customer gateway", &vpn.customer_gateway_id),
            ];
            for (_, what, other) in lost.into_iter().filter(|(lost, _, other)| *lost && !other.is_empty()) {
                self.gap(id, format!("its {what} {other} is not in the estate"));
            }
            let stated = vpn.routes.iter().filter(|r| r.state != "deleted").map(|r| r.destination_cidr_block.as_str());
            let nets = self.nets(id, stated);
            let only_static = vpn.options.as_ref().is_some_and(|o| o.static_routes_only);
            self.net.vpn_connections.push(VpnConnection {
                id: id.clone(),
                name: name(&vpn.tags),
                home,
                gateway,
                customer,
                routes: only_static.then(|| Addresses::of(nets)),
                up: (!vpn.vgw_telemetry.is_empty()).then(|| vpn.vgw_telemetry.iter().any(|t| t.status == "UP")),
                works: matches!(vpn.state.as_str(), "available" | "modifying" | ""),
            });
        }
    }
}
