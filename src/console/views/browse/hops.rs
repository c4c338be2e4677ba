//! From a row to what it is about: its machine, its account, its resource, its findings, its exposures.

use crate::catalog::detail::{self, Link};
use crate::catalog::{ListingId, exposures, machines};
use crate::console::action::Action;
use crate::console::views::browse::Browse;
use crate::console::views::{Left, Location, Request};
use crate::listing::filter::exactly;
use crate::model::arn::{Arn, ResourceRef};
use crate::model::node::Machine;
use crate::world::World;

impl Browse {
    /// The machine behind the row under the cursor.
    pub fn machine(&self, world: &World) -> Result<Machine, String> {
        let (index, row) = self.row_here().ok_or("There is no row here to open a session on.")?;
        if self.listing.id == ListingId::Findings {
            let resource = ResourceRef::new(self.text_of(index, row, "resource"), self.text_of(index, row, "type"));
            return machines::of_resource(&world.estate, &resource);
        }
        if self.listing.id == ListingId::Sessions {
            // The ledger knows sessions that AWS has forgotten.
            return machines::behind(&world.estate, ListingId::Nodes, &self.text_of(index, row, "node"));
        }
        machines::behind(&world.estate, self.listing.id, &self.text_of(index, row, "id"))
    }

    /// The session under the cursor, to be gone on with.
    ///
    /// # Errors
    /// In words: there is none.
    pub fn left(&self, world: &World) -> Result<Left, String> {
        let row = self.row_here().filter(|_| self.listing.id == ListingId::Sessions);
        let (index, row) = row.ok_or("There is no session here to go on with.")?;
        let text = |field| self.text_of(index, row, field);
        let machine = Machine {
            account: text("account"),
            account_name: text("account_name"),
            region: text("region"),
            id: text("node"),
            name: text("name"),
            environment: None,
        };
        let here = match (text("here").as_str(), text("status").as_str(), text("host")) {
            ("here", ..) => Ok(()),
            (_, "Left", host) if !host.is_empty() => {
                Err(format!("It was left on {host}, and is taken up there; delete ends it."))
            }
            (_, "Left", _) => Err("It was not left on this machine; delete ends it.".to_owned()),
            (_, "Open" | "Connected" | "Connecting" | "Disconnected", _) => {
                Err("It is open in another program, or was not left here; delete ends it.".to_owned())
            }
            _ => Err("This session is over: o opens another on its node.".to_owned()),
        };
        let machine = machines::of_session(&world.estate, machine);
        Ok(Left { machine, session: text("id"), reason: text("reason"), here })
    }

    /// A field of the row under the cursor, as text.
    pub fn text_here(&self, field: &str) -> Option<String> {
        let (index, row) = self.row_here()?;
        Some(self.text_of(index, row, field))
    }

    /// What a session on the machine behind the row is opened for, where the row is a finding: its key and title.
    pub fn cause(&self) -> Option<(u64, String)> {
        let (index, row) = self.row_here().filter(|_| self.listing.id == ListingId::Findings)?;
        Some((index.key(row)?, self.text_of(index, row, "title")))
    }

    /// The account of the row under the cursor, by id.
    pub fn account(&self) -> Option<String> {
        let (index, row) = self.row_here()?;
        let field = if self.listing.id == ListingId::Accounts { "id" } else { "account" };
        Some(self.text_of(index, row, field)).filter(|id| !id.is_empty())
    }

    pub(super) fn hop(&self, action: Action, world: &World) -> Vec<Request> {
        let Some((index, row)) = self.row_here() else { return Vec::new() };
        let id = self.text_of(index, row, "id");
        let account = self.text_of(index, row, "account");
        let links = if self.listing.id == ListingId::Findings {
            let resource = ResourceRef::new(self.text_of(index, row, "resource"), self.text_of(index, row, "type"));
            detail::links_of_resource(&world.estate, &resource)
        } else {
            detail::links_of(&world.estate, self.listing.id, &id)
        };
        let (found, missing) = match action {
            Action::HopAccount => {
                let id = if self.listing.id == ListingId::Accounts { id } else { account };
                let known = world.estate.account(&id).is_some();
                (
                    known.then(|| Link::to("account", ListingId::Accounts, exactly("id", &id))),
                    "No account is known behind this row.",
                )
            }
            Action::HopIdentity => {
                // A role or user is its own.
                let itself = || Link::to("principal", ListingId::Principals, exactly("id", &id));
                let found = links.into_iter().find(|l| l.listing == ListingId::Principals);
                let found = found.or_else(|| (self.listing.id == ListingId::Principals).then(itself));
                (found, "No role or user is known behind this row.")
            }
            Action::HopFindings => {
                let found = links.into_iter().find(|l| l.listing == ListingId::Findings);
                (found, "This row has no findings list of its own.")
            }
            _ => (
                links.into_iter().find(|l| !matches!(l.listing, ListingId::Findings | ListingId::Accounts)),
                "The resource behind this row is not in what was collected.",
            ),
        };
        match found {
            Some(link) => vec![go(&link)],
            None => vec![Request::Notice(missing.to_owned(), true)],
        }
    }

    /// The exposures that what the row is about is on.
    pub(super) fn hop_exposures(&self, world: &World) -> Vec<Request> {
        let Some((index, row)) = self.row_here() else { return Vec::new() };
        let Some(picture) = &world.network else {
            return vec![Request::Notice("The networks are still being worked out: try again in a moment.".into(), false)];
        };
        let id = match self.listing.id {
            ListingId::Findings | ListingId::Exposures => self.text_of(index, row, "resource"),
            _ => self.text_of(index, row, "id"),
        };
        let filter = match self.listing.id {
            ListingId::Accounts if picture.exposures.iter().any(|e| exposures::account_of(picture, e) == id) => {
                exactly("account", &id)
            }
            ListingId::Accounts => String::new(),
            _ => {
                // Load balancers go by ARN, all else by the id at its end.
                let last = id.parse::<Arn>().map_or_else(|_| id.clone(), |arn| arn.name().to_owned());
                let found = [id, last].into_iter().find(|id| exposures::is_exposed(picture, id));
                found.map_or_else(String::new, |id| exactly("on", &id))
            }
        };
        if filter.is_empty() {
            return vec![Request::Notice("No address that is exposed leads to it, as far as is known.".into(), false)];
        }
        vec![Request::Go(Location { listing: ListingId::Exposures, filter, row: None })]
    }
}

/// A link as a place to go.
pub(super) fn go(link: &Link) -> Request {
    Request::Go(Location { listing: link.listing, filter: link.filter.clone(), row: None })
}
