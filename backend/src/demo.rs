//! The two databases of a first start: «Магазин 15» and «Курьер», with goods and documents that
//! are the same on every machine, and users whose passwords are not.

use std::str::FromStr;

use backend_types::{
    ClientCertificates, DatabaseId, DatabaseSettings, MadeUser, Mode, PrintServer, Role, TlsProfile,
};
use jiff::{SignedDuration, Timestamp, tz::Offset};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::{
    entity::{complete_as, object, text},
    odata::{moment, names::uni},
    secrets::{Hasher, SecretError, check_digit},
    storage::{
        Entity, Storage, StorageError,
        directory::{self, StoredDatabase},
        documents::{self, List},
        entities::{self, EntitySet},
    },
    template::{COMMON_WAREHOUSE, DocumentType, SHOP_TYPES, Template, put_warehouse},
};

/// What was made at the first start, to be shown once.
#[derive(Debug, Default)]
pub struct FirstStart {
    pub databases: Vec<DemoDatabase>,
}

/// A demo database and its users with their secrets in clear.
#[derive(Debug)]
pub struct DemoDatabase {
    pub id: DatabaseId,
    pub settings: DatabaseSettings,
    pub users: Vec<MadeUser>,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the demo databases were not saved: {0}")]
    NotSaved(String),
}

/// A document of every demo database, to try a change on.
pub const SAMPLE_DOCUMENT: &str = "DEMO-00001";

const PRODUCTS: u32 = 300;
const DOCUMENTS: u32 = 30;

const COURIER_TYPES: &[DocumentType] = &[
    DocumentType::new("ВозвратОтКлиента")
        .created_on_device()
        .input(),
    DocumentType::new("ВыдачаЗаказа").output(),
    DocumentType::new("Настройки").without_documents(),
    DocumentType::new("ПолучениеЗаказов").input(),
    DocumentType::new("ПросмотрСправочников").without_documents(),
    DocumentType::new("СверкаОстатков")
        .created_on_device()
        .removable(),
];

/// One demo database before its secrets are made.
struct Plan {
    id: &'static str,
    name: &'static str,
    port: u16,
    barcode_login: bool,
    types: &'static [DocumentType],
    operators: &'static [(&'static str, &'static str)],
    warehouses: &'static [(&'static str, &'static str)],
}

const PLANS: [Plan; 2] = [
    Plan {
        id: "21e6d501-e8c1-44e0-b0cd-f30a369b1822",
        name: "Магазин 15",
        port: 9706,
        barcode_login: false,
        types: SHOP_TYPES,
        operators: &[
            ("1", "Иванов"),
            ("2", "Петрова"),
            ("3", "Сидоров"),
            ("4", "Кузнецова"),
        ],
        warehouses: &[("2", "Торговый зал"), ("3", "Склад на Ленина")],
    },
    Plan {
        id: "5b0e7c34-9d1f-4c62-8a57-3e1f6f0c2d98",
        name: "Курьер",
        port: 9708,
        barcode_login: true,
        types: COURIER_TYPES,
        operators: &[("1", "Орлов"), ("2", "Белова"), ("3", "Громов")],
        warehouses: &[("2", "Пункт выдачи")],
    },
];

/// Fills an empty storage. All of it is saved together or nothing.
pub(crate) async fn fill(storage: &Storage, hasher: &Hasher) -> Result<FirstStart, DemoError> {
    let now = Timestamp::now();
    let mut first_start = FirstStart::default();
    let mut filled = Vec::new();
    for plan in PLANS {
        let id = DatabaseId::from_str(plan.id)
            .map_err(|fault| DemoError::NotSaved(fault.to_string()))?;
        let mut template = Template::make(hasher, id.clone()).await?;
        template.types = plan.types;
        for (id, name) in plan.operators {
            template
                .add_user(hasher, id, name, Role::MobileUser, true)
                .await?;
        }
        template
            .add_user(hasher, "exchange", "Обмен", Role::ExternalConnection, false)
            .await?;
        let all: Vec<&str> = [COMMON_WAREHOUSE]
            .into_iter()
            .chain(plan.warehouses.iter().map(|(id, _)| *id))
            .collect();
        template.set_warehouses("1", &all);

        let settings = settings(&plan);
        first_start.databases.push(DemoDatabase {
            id: id.clone(),
            settings: settings.clone(),
            users: template.made.clone(),
        });
        let database = StoredDatabase {
            id,
            settings,
            index_key: template.index_key.clone(),
        };
        filled.push((plan, database, template));
    }
    storage
        .write(move |writer| {
            Box::pin(async move {
                for (plan, database, template) in &filled {
                    let connection = &mut writer.connection;
                    directory::put(connection, database).await?;
                    template.fill(connection).await?;
                    goods_and_documents(connection, plan, now).await?;
                }
                let ids = filled
                    .iter()
                    .map(|(_, database, _)| database.id.to_string());
                writer.bump_revision(ids).await?;
                Ok::<(), StorageError>(())
            })
        })
        .await
        .map_err(|error| DemoError::NotSaved(error.to_string()))?;
    Ok(first_start)
}

fn settings(plan: &Plan) -> DatabaseSettings {
    DatabaseSettings {
        name: plan.name.to_owned(),
        folder: plan.name.to_owned(),
        comment: String::new(),
        mode: Mode::Server,
        https: true,
        authentication: true,
        barcode_login: plan.barcode_login,
        port: plan.port,
        print: PrintServer::default(),
        account: backend_types::Account::None,
        compress: false,
        backups: true,
        tls: TlsProfile::default(),
        client_certificates: ClientCertificates::default(),
    }
}

async fn goods_and_documents(
    connection: &mut SqliteConnection,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), StorageError> {
    for (id, name) in plan.warehouses {
        let warehouse = object(json!({"id": id, "storageId": id, "name": name}));
        put_warehouse(connection, plan.id, warehouse).await?;
    }
    let products: Vec<Entity> = (1..=PRODUCTS).map(product).collect();
    for product in &products {
        let id = text(product, "id");
        entities::put(connection, plan.id, EntitySet::Products, id, product).await?;
    }
    let types = plan.types.iter().filter(|kind| !kind.is_virtual).cycle();
    for (number, kind) in (1..=DOCUMENTS).zip(types) {
        let header = document(plan, kind, number, now);
        let id = text(&header, "id");
        let position = documents::put(
            connection,
            plan.id,
            id,
            &uni(kind.name),
            &header,
            &Value::Array(Vec::new()),
        )
        .await?;
        let state = State::of(number);
        for row in 1..=3 + number % 5 {
            let place = usize::try_from(number * 7 + row * 11).unwrap_or_default();
            let Some(product) = products.get(place % products.len()) else {
                continue;
            };
            let declared = item(number, row, product, state);
            let uid = text(&declared, "uid");
            documents::put_item(connection, position, List::Declared, uid, &declared).await?;
            if state == State::Finished {
                let current = fact(&declared);
                let uid = text(&current, "uid");
                documents::put_item(connection, position, List::Current, uid, &current).await?;
            }
        }
    }
    Ok(())
}

/// Goods named by kind, maker and size; barcodes are EAN-13 of the in-store range.
fn product(number: u32) -> Entity {
    const KINDS: [&str; 10] = [
        "Молоко",
        "Кефир",
        "Сыр",
        "Хлеб",
        "Печенье",
        "Чай",
        "Кофе",
        "Сок",
        "Вода",
        "Макароны",
    ];
    const MAKERS: [&str; 6] = [
        "Луговое",
        "Заречье",
        "Дубрава",
        "Северное",
        "Ромашка",
        "Полянка",
    ];
    const SIZES: [&str; 5] = ["0,2", "0,5", "0,9", "1,0", "1,5"];
    fn of(list: &[&'static str], number: u32) -> &'static str {
        let place = usize::try_from(number).unwrap_or_default();
        list.get(place % list.len()).copied().unwrap_or_default()
    }
    let index = number - 1;
    let name = format!(
        "{} «{}» {}",
        of(&KINDS, index),
        of(&MAKERS, index / 10),
        of(&SIZES, index / 60),
    );
    let unit = barcode(number);
    let piece = json!({
        "id": "pcs", "name": "шт", "barcode": unit, "unitsQuantity": 1, "barcodes": [unit],
    });
    let mut packings = vec![piece];
    if number.is_multiple_of(3) {
        let case = barcode(100_000 + number);
        packings.push(json!({
            "id": "box", "name": "кор", "barcode": case, "unitsQuantity": 12, "barcodes": [case],
        }));
    }
    let packings: Vec<Value> = packings
        .into_iter()
        .map(|packing| Value::Object(complete_as("Packing", object(packing))))
        .collect();
    let product = object(json!({
        "id": format!("p-{number:04}"),
        "name": name,
        "unitId": "pcs",
        "unitConvertionRate": 1,
        "barcode": unit,
        "basePackingId": "pcs",
        "marking": format!("ART-{number:05}"),
        "packings": packings,
        "cena": 40 + number * 17 % 900,
    }));
    complete_as("Product", product)
}

fn barcode(number: u32) -> String {
    let mut code = format!("200{number:09}");
    code.push(check_digit(&code));
    code
}

/// In which state of its life a demo document is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    InProcess,
    Modified,
    Finished,
}

impl State {
    fn of(number: u32) -> Self {
        match number % 5 {
            0 => Self::InProcess,
            1 => Self::Modified,
            2 => Self::Finished,
            _ => Self::New,
        }
    }
}

fn document(plan: &Plan, kind: &DocumentType, number: u32, now: Timestamp) -> Entity {
    let state = State::of(number);
    let age = SignedDuration::from_hours(i64::from(DOCUMENTS - number) * 5);
    let created = now.checked_sub(age).unwrap_or(now);
    let place = usize::try_from(number).unwrap_or_default();
    let warehouse = match plan.warehouses.get(place % (plan.warehouses.len() + 1)) {
        Some((id, _)) => id,
        None => COMMON_WAREHOUSE,
    };
    let appointment = match number % 4 {
        0 => plan
            .operators
            .get(place % plan.operators.len())
            .map_or("", |(id, _)| id),
        1 => "Операторы ТСД",
        _ => "",
    };
    let user = (state != State::New)
        .then(|| plan.operators.first())
        .flatten();
    let header = object(json!({
        "id": format!("DEMO-{number:05}"),
        "name": format!("{} {number}", kind.name),
        "documentTypeName": kind.name,
        "warehouseId": warehouse,
        "appointment": appointment,
        "createDate": moment::write(created, Offset::UTC),
        "lastChangeDate": moment::write(created, Offset::UTC),
        "modified": state != State::New,
        "inProcess": matches!(state, State::InProcess | State::Modified),
        "finished": state == State::Finished,
        "userId": user.map(|(id, _)| id),
        "userName": user.map(|(_, name)| name),
        "barcode": barcode(200_000 + number),
        "notOpenedYet": state == State::New,
        "imyaKontragenta": if number.is_multiple_of(2) { "ООО Ромашка" } else { "ИП Полянкин" },
        "idKontragenta": format!("K-{}", number % 2 + 1),
    }));
    complete_as("Document", header)
}

fn item(document: u32, row: u32, product: &Entity, state: State) -> Entity {
    let declared = 1 + (document + row) % 9;
    let current = match state {
        State::New | State::InProcess => 0,
        State::Modified => declared / 2,
        State::Finished => declared,
    };
    let item = object(json!({
        "uid": format!("d{document}-{row}"),
        "createdBy": "ERP",
        "productId": text(product, "id"),
        "declaredQuantity": declared,
        "currentQuantity": current,
        "packingUnitsQuantity": 1,
        "packingId": "pcs",
        "packingName": "шт",
        "productName": text(product, "name"),
        "productMarking": text(product, "marking"),
        "productBarcode": text(product, "barcode"),
        "index": row - 1,
        "cena": product.get("cena"),
    }));
    complete_as("DocumentItem", item)
}

/// The row of fact for a row of plan that was collected in full.
fn fact(declared: &Entity) -> Entity {
    let mut current = declared.clone();
    let uid = text(declared, "uid");
    current.insert("bindedLineUid".to_owned(), json!(uid));
    current.insert("uid".to_owned(), json!(format!("{uid}-f")));
    current.insert("createdBy".to_owned(), json!("Device"));
    current
}
