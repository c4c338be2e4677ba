//! One row in full: what a person wants to know of it, where it leads, and the raw document. Shared by the detail
//! pane and `bartizan show`.

mod account;
pub mod drawing;
mod exposure;
mod finding;
mod gateways;
mod history;
mod identity;
mod links;
mod network;
mod node;
mod object;
mod parts;
mod resource;
mod session;

use jiff::Timestamp;

use crate::catalog::{Column, Listing, ListingId};
use crate::listing::index::{Index, RowId};
use crate::model::arn::ResourceRef;
use crate::model::estate::Estate;
use crate::model::standing::Pipeline;

pub use exposure::{agent_sections, of_exposure, rungs, way_out_sections};
pub use finding::of_finding;
pub use gateways::of_way_out;
pub use history::{HISTORY, history, of_entry};
pub use links::resource_link;
pub use object::{Object, document, find, object};
use parts::Writer;
pub use parts::{Body, Detail, Link, Rung, Section};
pub use session::of_session;

/// A row that stands for nothing but its fields.
pub fn of_cells(listing: &Listing, index: &Index, row: RowId, now: Timestamp) -> Detail {
    let name = listing.field("name").map(|field| index.cell(row, field));
    let title = name.and_then(|cell| cell.members().next().map(str::to_owned)).unwrap_or_default();
    let mut w = Writer::new(title, now);
    let fact = |column: &Column| {
        let field = listing.schema.get(column.field);
        (field.help, column.show(&index.cell(row, column.field), &field.kind, now))
    };
    w.facts("", &listing.columns.iter().map(fact).collect::<Vec<_>>());
    w.finish()
}

/// A delivery pipeline in full.
pub fn of_pipeline(pipeline: &Pipeline, estate: &Estate, now: Timestamp) -> Detail {
    identity::pipeline(pipeline, estate, now)
}

/// An object in full.
pub fn of_object(object: Object<'_>, estate: &Estate, now: Timestamp) -> Detail {
    match object {
        Object::Account(o) => account::account(o, estate, now),
        Object::Principal(identity, o) => identity::principal(identity, o, estate, now),
        Object::AccessKey(identity, o) => identity::access_key(identity, o, estate, now),
        Object::Policy(identity, o) => identity::policy(identity, o, estate, now),
        Object::Provider(identity, o) => identity::provider(identity, o, estate, now),
        Object::Resource(region, o) => resource::resource(region, o, estate, now),
        Object::Vpc(region, o) => network::vpc(region, o, estate, now),
        Object::Subnet(region, o) => network::subnet(region, o, estate, now),
        Object::RouteTable(region, o) => network::route_table(region, o, estate, now),
        Object::SecurityGroup(region, o) => network::security_group(region, o, estate, now),
        Object::Interface(region, o) => network::interface(region, o, estate, now),
        Object::LoadBalancer(region, o) => network::load_balancer(region, o, estate, now),
        Object::Acl(region, o) => gateways::acl(region, o, estate, now),
        Object::Endpoint(region, o) => gateways::endpoint(region, o, estate, now),
        Object::Gateway(region, id) => {
            gateways::gateway(region, id, estate, now).unwrap_or_else(|| Writer::new(id, now).finish())
        }
        Object::Connection(region, id) => {
            gateways::connection(region, id, estate, now).unwrap_or_else(|| Writer::new(id, now).finish())
        }
        Object::Instance(region, o) => network::instance(region, o, estate, now),
        Object::Node(region, o) => node::node(region, o, estate, now),
        Object::Session(region, o) => session::session(region, o, estate, now),
        Object::Coverage(o) => account::coverage(o, estate, now),
    }
}

/// Where an object leads; empty where it is not in the estate.
pub fn links_of(estate: &Estate, listing: ListingId, id: &str) -> Vec<Link> {
    object(estate, listing, id).map_or_else(Vec::new, |o| of_object(o, estate, Timestamp::UNIX_EPOCH).links)
}

/// Where the resource of a finding leads: to itself, then wherever it leads; empty where it is not in the estate.
pub fn links_of_resource(estate: &Estate, resource: &ResourceRef) -> Vec<Link> {
    let Some(link) = resource_link(resource) else { return Vec::new() };
    let id = link.filter.split_once('=').map_or("", |(_, id)| id.trim_matches('"')).to_owned();
    let further = links_of(estate, link.listing, &id);
    if further.is_empty() && link.listing == ListingId::Nodes {
        // An instance that Session Manager does not know is an instance all the same.
        let further = links_of(estate, ListingId::Instances, &id);
        let link = Link { listing: ListingId::Instances, ..link };
        return if further.is_empty() { Vec::new() } else { std::iter::once(link).chain(further).collect() };
    }
    if further.is_empty() { Vec::new() } else { std::iter::once(link).chain(further).collect() }
}
