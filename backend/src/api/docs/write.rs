//! Documents written: created, edited, removed, given rows, put back from a copy. Each answer with
//! success stands for rows that are on disk.

use axum::response::Response;
use backend_types::Role;
use jiff::{Timestamp, tz::Offset};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{copies, rows::Filling};
use crate::{
    api::{
        Call,
        answers::{entities, no_content},
        check_id, doc_types,
        error::ApiError,
        sight::Sight,
    },
    backups::{Copy, Reason},
    entity::{complete, complete_as, flag, respell, text},
    identity::Identity,
    messages::Message,
    odata::{body, metadata::EntityType, moment, names::same_name},
    storage::{
        Entity, Writer,
        documents::{self, List, StoredDocument},
    },
};

/// What a request says about one document.
struct Given {
    header: Entity,
    /// Rows replace the list that they are given for.
    declared: Option<Vec<Entity>>,
    current: Option<Vec<Entity>>,
    tables: Option<Value>,
}

impl Given {
    fn read(call: &Call<'_>) -> Result<Self, ApiError> {
        Self::of(call.kind()?, call.json()?)
    }

    fn of(kind: &'static EntityType, written: Value) -> Result<Self, ApiError> {
        let mut header = body::read(kind, written)?;
        let mut rows = |name: &str| match header.shift_remove(name) {
            Some(Value::Array(rows)) => Some(entities(rows)),
            _ => None,
        };
        let (declared, current) = (rows("declaredItems"), rows("currentItems"));
        let tables = rows("tables").map(|tables| tables.into_iter().map(table).collect());
        // Made of the others on every read.
        header.shift_remove("combinedItems");
        header.shift_remove("extendedFields");
        Ok(Self {
            header,
            declared,
            current,
            tables,
        })
    }
}

/// An extra table with every row completed and named.
fn table(mut table: Entity) -> Value {
    let rows = match table.shift_remove("rows") {
        Some(Value::Array(rows)) => entities(rows),
        _ => Vec::new(),
    };
    let rows = rows.into_iter().enumerate().map(|(index, mut row)| {
        name_row(&mut row);
        row.entry("index").or_insert_with(|| json!(index));
        Value::Object(complete_as("Row", row))
    });
    let rows: Vec<Value> = rows.collect();
    let mut table = complete_as("DocumentTable", table);
    table.insert("rows".to_owned(), Value::Array(rows));
    Value::Object(table)
}

fn name_row(row: &mut Entity) {
    if text(row, "uid").is_empty() {
        row.insert("uid".to_owned(), json!(Uuid::now_v7().to_string()));
    }
}

/// Who writes where; goes with the command to the writer.
#[derive(Clone)]
pub(super) struct Author {
    pub(super) database: String,
    pub(super) identity: Identity,
    /// The type in the address, as written.
    part: Option<String>,
    /// «Делать бэкапы документов».
    pub(super) backups: bool,
}

impl Author {
    pub(super) fn of(call: &Call<'_>) -> Self {
        Self {
            database: call.database_id().to_owned(),
            identity: call.identity.clone(),
            part: call.address.part.clone(),
            backups: call.database.settings.backups,
        }
    }

    /// The document with this id, if it exists for the author where he addressed it.
    pub(super) async fn find(
        &self,
        connection: &mut SqliteConnection,
        sight: &Sight,
        id: &str,
    ) -> Result<Option<StoredDocument>, ApiError> {
        let found = documents::one(connection, &self.database, id).await?;
        let Some(document) = found else {
            return Ok(None);
        };
        let addressed = self
            .part
            .as_ref()
            .is_none_or(|part| same_name(part, &document.uni));
        match addressed && sight.sees_document(&document.body) {
            true => Ok(Some(document)),
            false => Err(ApiError::not_found()),
        }
    }
}

/// Creates the document, or edits the one with the same id.
pub(super) async fn post(call: &Call<'_>) -> Result<Response, ApiError> {
    let given = Given::read(call)?;
    let id = text(&given.header, "id").to_owned();
    check_id(&id)?;
    let (kind, author) = (call.kind()?, Author::of(call));
    let key = id.clone();
    let (header, is_new) = call
        .state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let sight =
                    Sight::of(&mut writer.connection, &author.database, &author.identity).await?;
                let before = author.find(&mut writer.connection, &sight, &id).await?;
                let is_new = before.is_none();
                if let Some(before) = &before {
                    copies::take(&mut writer.connection, &author, Reason::Replace, before).await?;
                }
                let header = save(writer, kind, &author, &sight, &id, before, given).await?;
                Ok::<_, ApiError>((header, is_new))
            })
        })
        .await?;
    call.state.backups.wake();
    Ok(call.stored(&key, header, is_new))
}

/// Changes the fields that are given.
pub(super) async fn patch(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let (kind, author) = (call.kind()?, Author::of(call));
    let given = Given::read(call)?;
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let sight =
                    Sight::of(&mut writer.connection, &author.database, &author.identity).await?;
                let before = author.find(&mut writer.connection, &sight, &key).await?;
                let before = Some(before.ok_or_else(ApiError::not_found)?);
                save(writer, kind, &author, &sight, &key, before, given).await
            })
        })
        .await?;
    call.state.backups.wake();
    Ok(no_content())
}

/// Removes the document with its rows.
pub(super) async fn delete(call: &Call<'_>, key: String) -> Result<Response, ApiError> {
    let author = Author::of(call);
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let sight = Sight::of(connection, &author.database, &author.identity).await?;
                let found = author.find(connection, &sight, &key).await?;
                let document = found.ok_or_else(ApiError::not_found)?;
                let types = doc_types::all(connection, &author.database).await?;
                let name = text(&document.body, "documentTypeName");
                if !sight.removes(doc_types::named(&types, name)) {
                    let message = Message::new("document-type-not-removable").with("type", name);
                    return Err(ApiError::new(http::StatusCode::FORBIDDEN, message));
                }
                copies::take(connection, &author, Reason::Deleted, &document).await?;
                documents::delete(connection, &author.database, &key).await?;
                Ok(())
            })
        })
        .await?;
    call.state.backups.wake();
    Ok(no_content())
}

/// Appends rows; one with a known uid replaces that row.
pub(super) async fn add_rows(call: &Call<'_>, key: String, list: List) -> Result<(), ApiError> {
    let kind = EntityType::named("DocumentItem").ok_or_else(ApiError::internal)?;
    let rows = body::read_rows(kind, call.json()?)?;
    let author = Author::of(call);
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let sight = Sight::of(connection, &author.database, &author.identity).await?;
                let found = author.find(connection, &sight, &key).await?;
                let mut document = found.ok_or_else(ApiError::not_found)?;
                let types = doc_types::all(connection, &author.database).await?;
                let document_type = doc_types::named(&types, &document.uni);
                let columns = document_type.map(|kind| doc_types::extra_fields(kind, "columns"));
                let target = Target {
                    position: document.position,
                    list,
                    columns: columns.unwrap_or_default(),
                };
                put_rows(connection, &author, &target, rows).await?;
                document.body.insert("lastChangeDate".to_owned(), now());
                let StoredDocument {
                    uni, body, tables, ..
                } = &document;
                documents::put(connection, &author.database, &key, uni, body, tables).await?;
                if author.backups && !document.uncopied {
                    documents::set_uncopied(connection, document.position, true).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Writes a new or a changed document and gives its header.
async fn save(
    writer: &mut Writer,
    kind: &EntityType,
    author: &Author,
    sight: &Sight,
    id: &str,
    before: Option<StoredDocument>,
    given: Given,
) -> Result<Entity, ApiError> {
    let connection = &mut writer.connection;
    let by_terminal = author.identity.role == Role::MobileUser;
    let (mut header, tables) = match &before {
        Some(document) => (document.body.clone(), document.tables.clone()),
        None => {
            let mut header = Entity::new();
            header.insert("createDate".to_owned(), now());
            header.insert("createdOnPDA".to_owned(), json!(by_terminal));
            header.insert("lastChangeDate".to_owned(), now());
            (header, json!([]))
        }
    };
    if before.is_some() {
        header.insert("lastChangeDate".to_owned(), now());
    }
    let types = doc_types::all(connection, &author.database).await?;
    let written = [&given.header, &header].map(|header| text(header, "documentTypeName"));
    let document_type = document_type(&types, author.part.as_deref(), written)?;
    let fields = doc_types::extra_fields(document_type, "fields");
    let says_finished = flag(&given.header, "finished");
    let given_header = respell(given.header, kind, &header, &fields);
    header.extend(given_header);
    header.insert("id".to_owned(), json!(id));
    let uni = text(document_type, "uni").to_owned();
    let name = text(document_type, "name").to_owned();
    header.insert("documentTypeName".to_owned(), json!(name));
    let header = complete(kind, header);
    if !sight.sees_document(&header) {
        let message = Message::new("document-outside-rights");
        return Err(ApiError::new(http::StatusCode::FORBIDDEN, message));
    }

    let tables = given.tables.unwrap_or(tables);
    let position = documents::put(connection, &author.database, id, &uni, &header, &tables).await?;
    for (list, rows) in [
        (List::Declared, given.declared),
        (List::Current, given.current),
    ] {
        if let Some(rows) = rows {
            documents::clear_items(connection, position, list).await?;
            let target = Target {
                position,
                list,
                columns: doc_types::extra_fields(document_type, "columns"),
            };
            put_rows(connection, author, &target, rows).await?;
        }
    }
    let was = before.as_ref().map(|document| &document.body);
    let Some(reason) = copies::reason(was, says_finished, &header) else {
        return Ok(header);
    };
    let document = StoredDocument {
        position,
        uni,
        body: header,
        tables,
        uncopied: before.is_some_and(|document| document.uncopied),
    };
    copies::take(connection, author, reason, &document).await?;
    Ok(document.body)
}

/// Puts a document back as a copy has it, field by field. One that exists is in the way, unless it
/// is to be replaced; then its present state is copied first.
pub(crate) async fn restore(call: &Call<'_>, copy: Copy, replace: bool) -> Result<(), ApiError> {
    let kind = EntityType::named("Document").ok_or_else(ApiError::internal)?;
    let item = EntityType::named("DocumentItem").ok_or_else(ApiError::internal)?;
    let Copy { id, document, .. } = copy;
    let given = Given::of(kind, Value::Object(document))?;
    if text(&given.header, "id") != id {
        return Err(ApiError::bad_request(
            Message::new("copy-of-another").with("id", id),
        ));
    }
    check_id(&id)?;
    let author = Author::of(call);
    call.state
        .storage
        .write(move |writer| {
            Box::pin(async move {
                let connection = &mut writer.connection;
                let before = documents::one(connection, &author.database, &id).await?;
                match &before {
                    Some(_) if !replace => {
                        let message = Message::new("document-exists").with("id", id);
                        return Err(ApiError::conflict(message));
                    }
                    Some(before) => {
                        copies::take(connection, &author, Reason::Replace, before).await?;
                    }
                    None => {}
                }
                let types = doc_types::all(connection, &author.database).await?;
                let written = text(&given.header, "documentTypeName");
                let document_type = document_type(&types, None, [written, ""])?;
                let uni = text(document_type, "uni");
                let header = complete(kind, given.header);
                let tables = given.tables.unwrap_or_else(|| json!([]));
                let position =
                    documents::put(connection, &author.database, &id, uni, &header, &tables)
                        .await?;
                for (list, rows) in [
                    (List::Declared, given.declared),
                    (List::Current, given.current),
                ] {
                    documents::clear_items(connection, position, list).await?;
                    for mut row in rows.unwrap_or_default() {
                        name_row(&mut row);
                        let uid = text(&row, "uid").to_owned();
                        let row = complete(item, row);
                        documents::put_item(connection, position, list, &uid, &row).await?;
                    }
                }
                documents::set_uncopied(connection, position, false).await?;
                Ok(())
            })
        })
        .await?;
    call.state.backups.wake();
    Ok(())
}

/// The type of a document by the first header that names one, else by the address.
fn document_type<'a>(
    types: &'a [Entity],
    part: Option<&str>,
    written: [&str; 2],
) -> Result<&'a Entity, ApiError> {
    let mut named = written
        .into_iter()
        .chain(part)
        .filter(|name| !name.is_empty());
    let written = named.next().unwrap_or_default();
    let refuse = |key| {
        Err(ApiError::bad_request(
            Message::new(key).with("type", written),
        ))
    };
    if written.is_empty() {
        let message = Message::new("field-missing").with("field", "documentTypeName");
        return Err(ApiError::bad_request(message));
    }
    let Some(found) = doc_types::named(types, written) else {
        return refuse("document-type-unknown");
    };
    if flag(found, "virtual") {
        return refuse("document-type-virtual");
    }
    match part.is_none_or(|part| same_name(part, text(found, "uni"))) {
        true => Ok(found),
        false => refuse("document-type-differs"),
    }
}

/// Where rows go.
struct Target {
    /// The document's.
    position: i64,
    list: List,
    /// Extra fields that rows of the document's type have.
    columns: Vec<String>,
}

async fn put_rows(
    connection: &mut SqliteConnection,
    author: &Author,
    target: &Target,
    rows: Vec<Entity>,
) -> Result<(), ApiError> {
    let kind = EntityType::named("DocumentItem").ok_or_else(ApiError::internal)?;
    let (document, list) = (target.position, target.list);
    let mut index = documents::count_items(connection, document, list).await?;
    let mut goods = Filling::new(&author.database);
    for mut row in rows {
        name_row(&mut row);
        let uid = text(&row, "uid").to_owned();
        let known = documents::item(connection, document, list, &uid).await?;
        let is_new = known.is_none();
        let known = known.unwrap_or_default();
        let mut row = respell(row, kind, &known, &target.columns);
        say(&mut row, "index", known.get("index"));
        row.entry("index").or_insert_with(|| json!(index));
        let made_by = match author.identity.role {
            Role::MobileUser => "Device",
            Role::ExternalConnection | Role::Administrator => "ERP",
        };
        row.entry("createdBy").or_insert_with(|| json!(made_by));
        if let Some(product) = goods.product(connection, text(&row, "productId")).await? {
            describe(&mut row, &product);
        }
        let row = complete(kind, row);
        documents::put_item(connection, document, list, &uid, &row).await?;
        index += i64::from(is_new);
    }
    Ok(())
}

/// What a row shows of its goods, where the sender left it out.
fn describe(row: &mut Entity, product: &Entity) {
    say(row, "productName", product.get("name"));
    say(row, "productMarking", product.get("marking"));
    say(row, "productBarcode", product.get("barcode"));
    say(row, "packingId", product.get("basePackingId"));
    let packings = product.get("packings").and_then(Value::as_array);
    let wanted = row.get("packingId");
    let packing = packings
        .into_iter()
        .flatten()
        .find(|packing| packing.get("id") == wanted);
    if let Some(packing) = packing {
        say(row, "packingName", packing.get("name"));
        say(row, "packingUnitsQuantity", packing.get("unitsQuantity"));
    }
}

/// Sets a field that the row does not have.
fn say(row: &mut Entity, name: &str, value: Option<&Value>) {
    if let (false, Some(value)) = (row.contains_key(name), value) {
        row.insert(name.to_owned(), value.clone());
    }
}

fn now() -> Value {
    json!(moment::write(Timestamp::now(), Offset::UTC))
}
