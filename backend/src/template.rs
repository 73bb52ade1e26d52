//! What a new database is filled with: document types, three groups, one warehouse, one
//! administrator with a random password. Names are those of the vendor's own pages.

use backend_types::{DatabaseId, MadeUser, Role};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::{
    api::{
        user_groups::{OPERATION_AT_LOGIN, OPERATION_AT_LOGOUT},
        users::login,
    },
    entity::{complete_as, object, text},
    odata::names::uni,
    secrets::{Hasher, SecretError, new_barcode, new_index_key, new_password},
    storage::{
        Entity, StorageError,
        entities::{self, EntitySet},
        users::{self, StoredUser},
    },
};

/// The warehouse that a new user works in.
pub(crate) const COMMON_WAREHOUSE: &str = "1";

/// Ids of the three groups.
pub(crate) const OPERATORS: &str = "1";
pub(crate) const EXCHANGE: &str = "2";
pub(crate) const ADMINISTRATORS: &str = "3";

/// Document types of the vendor's shop product, in the order of its form.
pub(crate) const SHOP_TYPES: &[DocumentType] = &[
    DocumentType::new("Возврат").input(),
    DocumentType::new("Инвентаризация")
        .created_on_device()
        .removable(),
    DocumentType::new("МаркировкаОстатков").created_on_device(),
    DocumentType::new("Настройки").without_documents(),
    DocumentType::new("Перемещение").output(),
    DocumentType::new("Переоценка").created_on_device(),
    DocumentType::new("ПодборЗаказа").output(),
    DocumentType::new("Поступление").input(),
    DocumentType::new("Продажа")
        .created_on_device()
        .output()
        .removable(),
    DocumentType::new("ПросмотрСправочников").without_documents(),
    DocumentType::new("СборШК").created_on_device().removable(),
    DocumentType::new("Списание").created_on_device().output(),
];

/// A document type as far as the types differ.
#[derive(Clone, Copy)]
pub(crate) struct DocumentType {
    pub(crate) name: &'static str,
    input: bool,
    output: bool,
    created_on_device: bool,
    removable: bool,
    pub(crate) is_virtual: bool,
}

impl DocumentType {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            input: false,
            output: false,
            created_on_device: false,
            removable: false,
            is_virtual: false,
        }
    }

    pub(crate) const fn input(mut self) -> Self {
        self.input = true;
        self
    }

    pub(crate) const fn output(mut self) -> Self {
        self.output = true;
        self
    }

    pub(crate) const fn created_on_device(mut self) -> Self {
        self.created_on_device = true;
        self
    }

    pub(crate) const fn removable(mut self) -> Self {
        self.removable = true;
        self
    }

    pub(crate) const fn without_documents(mut self) -> Self {
        self.is_virtual = true;
        self
    }

    fn entity(&self) -> Entity {
        let fields: &[(&str, &str)] = match self.is_virtual {
            true => &[],
            false => &[
                ("ИдКонтрагента", "String"),
                ("ИмяКонтрагента", "String"),
                ("Статус", "String"),
            ],
        };
        let columns: &[(&str, &str)] = match self.is_virtual {
            true => &[],
            false => &[("Цена", "Decimal"), ("ИдЕдиницыИзмерения", "String")],
        };
        let entity = object(json!({
            "uni": uni(self.name),
            "name": self.name,
            "displayName": self.name,
            "alias": self.name,
            "clientCreating": self.created_on_device,
            "showDeclaredQuantities": true,
            "input": self.input,
            "output": self.output,
            "manualDocumentSelection": !self.is_virtual,
            "barcodeDocumentSelection": !self.is_virtual,
            "virtual": self.is_virtual,
            "showDocumentsFromServerInList": !self.is_virtual,
            "allowRemoveDocuments": self.removable,
            "needExchangeDataBeforeOpen": "No",
            "tables": [],
            "fields": fields.iter().map(|(name, kind)| field(name, kind, "Document")).collect::<Vec<_>>(),
            "columns": columns.iter().map(|(name, kind)| field(name, kind, "DocumentItem")).collect::<Vec<_>>(),
        }));
        complete_as("DocumentType", entity)
    }
}

fn field(name: &str, kind: &str, owner: &str) -> Value {
    let field = object(json!({
        "uni": uni(name),
        "fieldName": name,
        "displayName": name,
        "fieldType": kind,
        "fieldOwners": owner,
    }));
    Value::Object(complete_as("FieldInfo", field))
}

/// Everything that goes into a new database, with its secrets made and hashed already.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Template {
    pub(crate) database: DatabaseId,
    pub(crate) index_key: String,
    pub(crate) types: &'static [DocumentType],
    users: Vec<StoredUser>,
    pub(crate) made: Vec<MadeUser>,
}

impl Template {
    /// With one administrator.
    pub(crate) async fn make(hasher: &Hasher, database: DatabaseId) -> Result<Self, SecretError> {
        let mut template = Self {
            database,
            index_key: new_index_key()?,
            types: SHOP_TYPES,
            users: Vec::new(),
            made: Vec::new(),
        };
        template
            .add_user(hasher, "admin", "Администратор", Role::Administrator, false)
            .await?;
        Ok(template)
    }

    /// A user of the role's group with a random password, and a barcode if wanted.
    pub(crate) async fn add_user(
        &mut self,
        hasher: &Hasher,
        id: &str,
        name: &str,
        role: Role,
        with_barcode: bool,
    ) -> Result<(), SecretError> {
        let password = new_password()?;
        let barcode = if with_barcode {
            Some(new_barcode()?)
        } else {
            None
        };
        let (group_id, group_name) = match role {
            Role::MobileUser => (OPERATORS, "Операторы ТСД"),
            Role::ExternalConnection => (EXCHANGE, "Обмен"),
            Role::Administrator => (ADMINISTRATORS, "Администраторы"),
        };
        let body = object(json!({
            "id": id, "name": name, "groupId": group_id, "groupName": group_name,
            "description": "", "warehouseIds": [COMMON_WAREHOUSE],
        }));
        let stored_barcode = match &barcode {
            Some(barcode) => Some(hasher.store(&self.index_key, barcode).await?),
            None => None,
        };
        self.users.push(StoredUser {
            id: id.to_owned(),
            group_id: group_id.to_owned(),
            name_login: login(name),
            id_login: login(id),
            body,
            password: hasher.store(&self.index_key, &password).await?,
            barcode: stored_barcode,
        });
        self.made.push(MadeUser {
            database: self.database.clone(),
            id: id.to_owned(),
            name: name.to_owned(),
            role,
            password,
            barcode,
        });
        Ok(())
    }

    /// Lets a user work in further warehouses.
    pub(crate) fn set_warehouses(&mut self, user: &str, warehouses: &[&str]) {
        for stored in self.users.iter_mut().filter(|stored| stored.id == user) {
            stored
                .body
                .insert("warehouseIds".to_owned(), json!(warehouses));
        }
    }

    /// Writes everything; the database's own row is there already.
    pub(crate) async fn fill(&self, connection: &mut SqliteConnection) -> Result<(), StorageError> {
        let database = self.database.as_str();
        for kind in self.types {
            let entity = kind.entity();
            let key = text(&entity, "uni").to_owned();
            entities::put(connection, database, EntitySet::DocTypes, &key, &entity).await?;
        }
        let names: Vec<&str> = self.types.iter().map(|kind| kind.name).collect();
        for (id, name, role) in [
            (OPERATORS, "Операторы ТСД", "MobileDeviceUser"),
            (EXCHANGE, "Обмен", "User"),
            (ADMINISTRATORS, "Администраторы", "Administrator"),
        ] {
            let group = object(json!({
                "id": id, "name": name, "role": role,
                "onStartHandlerName": OPERATION_AT_LOGIN,
                "onFinishHandlerName": OPERATION_AT_LOGOUT,
                "documentTypeNames": names,
            }));
            let group = complete_as("UserGroup", group);
            entities::put(connection, database, EntitySet::UserGroups, id, &group).await?;
        }
        let common = object(json!({"id": COMMON_WAREHOUSE, "storageId": "1", "name": "Общий"}));
        put_warehouse(connection, database, common).await?;
        for user in &self.users {
            users::put(connection, database, user).await?;
        }
        Ok(())
    }
}

pub(crate) async fn put_warehouse(
    connection: &mut SqliteConnection,
    database: &str,
    warehouse: Entity,
) -> Result<(), StorageError> {
    let warehouse = complete_as("Warehouse", warehouse);
    let key = text(&warehouse, "id").to_owned();
    entities::put(
        connection,
        database,
        EntitySet::Warehouses,
        &key,
        &warehouse,
    )
    .await
}
