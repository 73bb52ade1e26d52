//! By whose lists a connection is judged, request by request, and as whom it stands for those that
//! change later.

use backend_types::DatabaseId;
use gateway_policy::{ClientAddr, admit::Verdict};

use super::{Connection, head::Request};
use crate::{
    connections::{Scope, Standing},
    directory::Database,
    login::Origin,
};

impl Connection {
    /// Whom this port would not have let in without the proxy that names him.
    pub(super) fn is_refused(&self, client: ClientAddr) -> bool {
        let scope = Scope::of(&self.listener.holder);
        let refused = self.shared().admit(client, &scope).is_blocked();
        if refused {
            let standing = Standing::new(client, scope);
            self.entered.connection.stands_as(standing);
        }
        refused
    }

    /// On the server port, and behind a proxy that names its clients, the lists are asked on
    /// every request; from then on a changed list judges the connection by this database.
    pub(super) fn judge_again(&self, database: &Database, client: ClientAddr) -> Verdict {
        let standing = self.standing(&database.id, client);
        let verdict = self.shared().admit(client, &standing.scope);
        if self.entered.connection.standing() != standing {
            self.entered.connection.stands_as(standing);
        }
        verdict
    }

    pub(super) fn standing(&self, database: &DatabaseId, client: ClientAddr) -> Standing {
        let mut standing = Standing::new(client, Scope::Database(database.clone()));
        standing.device.clone_from(&self.device);
        standing
    }

    pub(super) fn origin(&self, database: &Database, request: &Request) -> Origin {
        let scope = Scope::Database(database.id.clone());
        Origin {
            client: request.client,
            exempt: self.shared().admit(request.client, &scope).is_exempt(),
            request_id: request.id.clone(),
        }
    }
}
