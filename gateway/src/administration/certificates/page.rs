//! The page for terminals as one file: `POST /certificates/page`, [`Wish`] → [`Made`].

use backend_types::{DatabaseId, Language};
use gateway_certificates::Name;
use serde::{Deserialize, Serialize};

use super::{Administration, Refused};
use crate::certificate_page::{self, Fingerprint};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Absent: every database.
    pub(crate) database: Option<DatabaseId>,
    /// Under which name terminals find us; absent: the machine's own.
    pub(crate) host: Option<Name>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) html: String,
    /// Of what it hands out, in that order.
    pub(crate) fingerprints: Vec<Fingerprint>,
}

impl Administration {
    pub(in crate::administration) fn certificate_page(
        &self,
        wish: Wish,
        language: Language,
    ) -> Result<Made, Refused> {
        if let Some(id) = &wish.database {
            self.database(id.as_str(), language)?;
        }
        let notice = self.world.shared.notice.load();
        let only = wish.database.as_ref();
        let (html, fingerprints) = certificate_page::as_file(&notice, only, wish.host, language);
        Ok(Made { html, fingerprints })
    }
}
