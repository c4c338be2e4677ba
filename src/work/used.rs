//! Asks AWS what one user or role used of what it is granted, when a person wants to know it of the one at hand.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::aws::{Connection, iam};
use crate::demo;
use crate::message::Outcome;
use crate::model::arn::principal as named;
use crate::model::coverage::Outcome as Ended;
use crate::model::estate::Estate;
use crate::model::principal::LastAccessed;
use crate::work::change::Change;
use crate::world::Origin;

/// Where it can be asked.
pub(super) struct Asking {
    pub(super) origin: Origin,
    pub(super) estate: Arc<Estate>,
    pub(super) connections: watch::Receiver<Vec<Connection>>,
    pub(super) changes: mpsc::Sender<Change>,
    pub(super) outcomes: mpsc::Sender<Outcome>,
}

impl Asking {
    /// Asks, hands what comes on as a change, and says in a line what became of it.
    pub(super) async fn ask(self, arn: String) {
        let (text, bad) = match Box::pin(self.used(&arn)).await {
            Ok(accessed) => {
                let used = accessed.services.iter().filter(|s| s.last_authenticated.is_some()).count();
                let words = format!("{}: used {used} of {} services in 400 days", named(&arn), accessed.services.len());
                let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
                let _ = self.changes.send(Change::Accessed { account, accessed: Box::new(accessed) }).await;
                (words, false)
            }
            Err(why) => (format!("What {} used is not known: {why}", named(&arn)), true),
        };
        // Whoever no longer listens has no use for it.
        let _ = self.outcomes.send(Outcome::Notice { text, bad }).await;
    }

    async fn used(&self, arn: &str) -> Result<LastAccessed, String> {
        match &self.origin {
            Origin::File(_) => Err("this is a file; AWS is asked live, or by bartizan iam unused.".into()),
            Origin::Demo => demo::used(&self.estate, arn, Timestamp::now()).ok_or_else(|| "it is gone.".to_owned()),
            Origin::Live(_) => self.live(arn).await,
        }
    }

    async fn live(&self, arn: &str) -> Result<LastAccessed, String> {
        let account = arn.split(':').nth(4).unwrap_or_default();
        let connections = self.connections.borrow().clone();
        let mut why = "nobody is signed in to AWS yet; try again in a moment.".to_owned();
        for connection in &connections {
            let mut entered = connection.enter(account).await;
            let Some(access) = entered.value.take() else {
                why = entered.coverage.into_iter().map(|c| c.reason).find(|r| !r.is_empty()).unwrap_or(why);
                continue;
            };
            let mut answer = iam::last_accessed(&access.global(), vec![arn.to_owned()]).await;
            let refused = answer.coverage.iter().find(|c| c.outcome != Ended::Ok);
            let refused = refused.map(|c| format!("{}: {}", c.api, c.reason));
            // What was refused shows among the questions, too.
            let _ = self.changes.send(Change::Coverage(std::mem::take(&mut answer.coverage))).await;
            return match (answer.value.pop(), refused) {
                (Some(accessed), _) => Ok(accessed),
                (None, Some(refused)) => Err(refused),
                (None, None) => Err("AWS answered without a report.".to_owned()),
            };
        }
        Err(why)
    }
}
