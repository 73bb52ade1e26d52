//! Rights on rows: what of types, warehouses and documents a caller sees.
//!
//! External connections and administrators see everything. A mobile user sees documents of his
//! group's types, in his warehouses or in none, appointed to him, to his group or to nobody.

use backend_types::Role;
use http::StatusCode;
use sqlx::SqliteConnection;

use super::error::ApiError;
use crate::{
    entity::{text, texts},
    identity::Identity,
    messages::Message,
    storage::{
        Entity,
        entities::{self, EntitySet},
        users,
    },
};

#[derive(Clone, Debug)]
pub(crate) enum Sight {
    All,
    Of(MobileUser),
}

/// A user and his group as far as rows are concerned.
#[derive(Clone, Debug)]
pub(crate) struct MobileUser {
    id: String,
    group_id: String,
    group_name: String,
    /// Names, not transliterated.
    types: Vec<String>,
    warehouses: Vec<String>,
}

impl Sight {
    /// The caller's sight as the database stands now.
    pub(crate) async fn of(
        connection: &mut SqliteConnection,
        database: &str,
        identity: &Identity,
    ) -> Result<Self, ApiError> {
        if identity.role != Role::MobileUser {
            return Ok(Self::All);
        }
        // The gateway may not have heard yet that the user or his group is gone.
        let gone = || ApiError::new(StatusCode::UNAUTHORIZED, Message::new("user-unknown"));
        let id = identity.user.as_deref().ok_or_else(gone)?;
        let user = users::one(connection, database, id)
            .await?
            .ok_or_else(gone)?;
        let group =
            entities::one(connection, database, EntitySet::UserGroups, &user.group_id).await?;
        let group = group.ok_or_else(gone)?;
        Ok(Self::Of(MobileUser {
            group_name: text(&group, "name").to_owned(),
            types: texts(&group, "documentTypeNames")
                .map(str::to_owned)
                .collect(),
            warehouses: texts(&user.body, "warehouseIds")
                .map(str::to_owned)
                .collect(),
            id: user.id,
            group_id: user.group_id,
        }))
    }

    pub(crate) fn sees_type(&self, document_type: &Entity) -> bool {
        match self {
            Self::All => true,
            Self::Of(user) => user.has_type(text(document_type, "name")),
        }
    }

    pub(crate) fn sees_document(&self, document: &Entity) -> bool {
        let Self::Of(user) = self else {
            return true;
        };
        let warehouse = text(document, "warehouseId");
        user.has_type(text(document, "documentTypeName"))
            && (warehouse.is_empty() || user.warehouses.iter().any(|own| own == warehouse))
            && user.is_appointed(text(document, "appointment"))
    }

    /// Whether the caller may remove documents of this type that he sees.
    pub(crate) fn removes(&self, document_type: Option<&Entity>) -> bool {
        match self {
            Self::All => true,
            Self::Of(_) => {
                document_type.is_some_and(|kind| crate::entity::flag(kind, "allowRemoveDocuments"))
            }
        }
    }
}

impl MobileUser {
    fn has_type(&self, name: &str) -> bool {
        self.types.iter().any(|own| own == name)
    }

    /// `appointment` names users or groups, several joined by `|`; nobody named means everybody.
    fn is_appointed(&self, appointment: &str) -> bool {
        let mut names = appointment
            .split('|')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let Some(first) = names.next() else {
            return true;
        };
        let own = [&self.id, &self.group_id, &self.group_name];
        std::iter::once(first)
            .chain(names)
            .any(|name| own.iter().any(|own| *own == name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entity::object;

    fn operator() -> Sight {
        Sight::Of(MobileUser {
            id: "7".to_owned(),
            group_id: "g".to_owned(),
            group_name: "Операторы ТСД".to_owned(),
            types: vec!["Поступление".to_owned()],
            warehouses: vec!["1".to_owned()],
        })
    }

    #[track_caller]
    fn check(field: &str, value: &str, expected: bool) {
        let mut document = object(json!({
            "documentTypeName": "Поступление", "warehouseId": "1", "appointment": "",
        }));
        document.insert(field.to_owned(), json!(value));
        assert_eq!(
            operator().sees_document(&document),
            expected,
            "{field} = {value}"
        );
        assert!(Sight::All.sees_document(&document));
    }

    #[test]
    fn a_mobile_user_sees_his_types_warehouses_and_appointments() {
        check("documentTypeName", "Поступление", true);
        check("documentTypeName", "Списание", false);
        check("warehouseId", "1", true);
        check("warehouseId", "", true);
        check("warehouseId", "2", false);
        for (appointment, seen) in [
            ("", true),
            ("7", true),
            ("8", false),
            ("g", true),
            ("Операторы ТСД", true),
            ("Администраторы", false),
            ("8|7", true),
            ("8 | Операторы ТСД", true),
            ("8|9", false),
            ("|", true),
            ("77", false),
        ] {
            check("appointment", appointment, seen);
        }
    }
}
