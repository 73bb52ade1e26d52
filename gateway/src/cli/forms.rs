//! The vendor's forms, field by field, held against what is here: the option that sets a field,
//! the key in YAML. What `status` shows of them is held against the same labels end to end. The labels are those of the vendor's own pages
//! (2024-03-26).

use backend_types::Language;
use clap::{Command, CommandFactory};
use serde_json::Value;

use super::{Arguments, help};

/// Where a field of a form is.
struct Field {
    /// As the vendor writes it.
    ru: &'static str,
    en: &'static str,
    /// `word word --option`, or a word alone for a button.
    command: &'static str,
    /// In `gateway.yaml`: path from a database's entry, or from the top with a leading `/`.
    yaml: Option<&'static str>,
}

const fn field(
    ru: &'static str,
    en: &'static str,
    command: &'static str,
    yaml: Option<&'static str>,
) -> Field {
    Field {
        ru,
        en,
        command,
        yaml,
    }
}

/// «Редактирование настроек базы данных»
const DATABASE: &[Field] = &[
    field(
        "Код базы",
        "Id of the database",
        "database add --id",
        Some("id"),
    ),
    field("Наименование", "Name", "database set --name", Some("name")),
    field("Папка", "Folder", "database set --folder", Some("folder")),
    field(
        "Комментарий",
        "Comment",
        "database set --comment",
        Some("comment"),
    ),
    field(
        "Режим работы",
        "Mode of work",
        "database set --mode",
        Some("mode"),
    ),
    field(
        "Использовать https",
        "Use https",
        "database set --https",
        Some("https"),
    ),
    field(
        "Аутентификация по пользователю",
        "Authentication by user",
        "database set --authentication",
        Some("authentication"),
    ),
    field(
        "Порт сервера данных",
        "Data server port",
        "database set --port",
        Some("port"),
    ),
    field(
        "Сервер печати используется",
        "The print server is used",
        "database set --print",
        Some("print"),
    ),
    field(
        "Порт сервера печати",
        "Print server port",
        "database set --print-port",
        Some("print/port"),
    ),
];

/// «Сервер Mobile SMARTS»: what the window shows of a database.
const SERVER_WINDOW: &[Field] = &[
    field(
        "Учётная запись",
        "Service account",
        "database set --account",
        Some("account"),
    ),
    field(
        "общие параметры",
        "shared (the common one)",
        "database set --account",
        Some("/account"),
    ),
    field(
        "Файл с паролем этой учётной записи",
        "File with that account's password",
        "database set --account-password-file",
        Some("account"),
    ),
    field(
        "Сжимать справочники и таблицы",
        "Compress reference lists and tables",
        "database set --compress",
        Some("compress"),
    ),
    field(
        "Делать бэкапы документов",
        "Make backups of documents",
        "database set --backups",
        None,
    ),
];

/// «Настройки локального сервера»
const LOCAL_SERVER: &[Field] = &[
    field(
        "Порт сервера",
        "Server port",
        "server set --port",
        Some("/server/port"),
    ),
    field("Остановить", "Stop", "server stop", None),
    field("Запустить", "Start", "server start", None),
];

/// «Группа пользователей»
const GROUP: &[Field] = &[
    field("Идентификатор", "Id", "group add --id", None),
    field("Имя группы", "Name of the group", "group set --name", None),
    field(
        "Автономная работа",
        "Autonomous work",
        "group set --autonomous",
        None,
    ),
    field("Роль", "Role", "group set --role", Some("users/role")),
    field(
        "Автозапуск документа при старте",
        "Document",
        "group set --autostart",
        None,
    ),
    field(
        "Операция при входе пользователя",
        "Operation",
        "group set --login-operation",
        None,
    ),
    field(
        "Операция при выходе пользователя",
        "Operation",
        "group set --logout-operation",
        None,
    ),
    field("Тип документов", "Document type", "group set --type", None),
];

/// «Новый пользователь» and «Список пользователей»
const USER: &[Field] = &[
    field("Идентификатор", "Id", "user add --id", Some("users/id")),
    field(
        "Имя пользователя",
        "Name of the user",
        "user add --name",
        Some("users/name"),
    ),
    field(
        "Пароль",
        "Password",
        "user add --password-stdin",
        Some("users/password"),
    ),
    field(
        "Штрихкод",
        "Barcode",
        "user add --barcode-stdin",
        Some("users/barcode"),
    ),
    field("имя группы", "group", "user add --group", None),
    field("Описание", "Description", "user add --description", None),
    field("Склад", "Warehouse", "user add --warehouse", None),
    field("Добавить пользователя", "Add a user", "user add", None),
    field("Удалить пользователя", "Remove a user", "user remove", None),
    field(
        "Очистить список пользователей",
        "Clear the user list",
        "user clear",
        None,
    ),
    field("Найти", "Find", "user list --search", None),
];

/// «Свойства»
const PROPERTIES: &[Field] = &[
    field("Имя", "Name", "property set --name", None),
    field(
        "Версия Android клиента от",
        "Android client",
        "property set --android-client-version",
        None,
    ),
    field(
        "Версия CE\\Mobile клиента от",
        "CE\\Mobile client",
        "property set --mobile-client-version",
        None,
    ),
    field(
        "Версия редактора",
        "editor",
        "property set --editor-version",
        None,
    ),
    field(
        "Версия сервера",
        "server",
        "property set --server-version",
        None,
    ),
    field(
        "Использовать всплывающие сообщения",
        "pop-up messages",
        "property set --popup-messages",
        None,
    ),
    field(
        "Отображать детальные сообщения об ошибках",
        "detailed",
        "property set --detailed-errors",
        None,
    ),
    field(
        "Показывать количество серверных документов на кнопках",
        "buttons",
        "property set --document-counts-on-buttons",
        None,
    ),
    field(
        "Текст выбора склада",
        "warehouse",
        "property set --warehouse-selection-text",
        None,
    ),
    field(
        "Возврат чужих документов при обмене",
        "documents",
        "property set --return-others-documents",
        None,
    ),
    field(
        "Вход по штрихкоду",
        "Login by barcode",
        "database set --barcode-login",
        Some("barcode_login"),
    ),
    field(
        "запрашивать возврат документов при смене пользователя",
        "documents",
        "property set --ask-return-on-user-change",
        None,
    ),
    field("Комментарий", "Comment", "property set --comment", None),
    field(
        "Пароль для выхода",
        "password",
        "property set --exit-password-stdin",
        None,
    ),
];

fn all() -> impl Iterator<Item = &'static Field> {
    [
        DATABASE,
        SERVER_WINDOW,
        LOCAL_SERVER,
        GROUP,
        USER,
        PROPERTIES,
    ]
    .into_iter()
    .flatten()
}

/// The help of an option, or of a word, in one language.
fn help_of(root: &Command, path: &str) -> Option<String> {
    let mut command = root;
    for word in path.split(' ') {
        match word.strip_prefix("--") {
            None => command = command.find_subcommand(word)?,
            Some(option) => {
                let argument = command
                    .get_arguments()
                    .find(|one| one.get_long() == Some(option))?;
                return argument.get_help().map(ToString::to_string);
            }
        }
    }
    command.get_about().map(ToString::to_string)
}

#[test]
fn every_field_of_every_form_has_its_command_and_its_label_in_both_languages() {
    for language in Language::ALL {
        let root = help::localised(Arguments::command(), language);
        for field in all() {
            let label = match language {
                Language::Ru => field.ru,
                Language::En => field.en,
            };
            let help = help_of(&root, field.command);
            let help = help.unwrap_or_else(|| panic!("no `{}`", field.command));
            assert!(
                help.to_lowercase().contains(&label.to_lowercase()),
                "{language:?} `{}`: \"{label}\" is not in \"{help}\"",
                field.command
            );
        }
    }
}

#[test]
fn every_field_that_a_file_may_hold_is_a_key_of_the_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../config/gateway.schema.json")).unwrap();
    let databases = step(&schema, &schema, "databases").unwrap();
    for field in all() {
        let Some(path) = field.yaml else { continue };
        let (start, path) = match path.strip_prefix('/') {
            Some(path) => (&schema, path),
            None => (databases, path),
        };
        let found = path
            .split('/')
            .try_fold(start, |place, key| step(&schema, place, key));
        assert!(found.is_some(), "`{path}` for {}", field.ru);
    }
}

/// One key down, through references, lists and alternatives.
fn step<'a>(schema: &'a Value, place: &'a Value, key: &str) -> Option<&'a Value> {
    if let Some(key) = place.get("properties").and_then(|all| all.get(key)) {
        return Some(key);
    }
    let referred = place.get("$ref").and_then(Value::as_str);
    let referred = referred.and_then(|path| schema.pointer(path.trim_start_matches('#')));
    let ways = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| {
        let ways = place.get(name)?.as_array()?;
        ways.iter().find_map(|way| step(schema, way, key))
    });
    let below = [referred, place.get("items")].into_iter().flatten();
    below
        .filter_map(|place| step(schema, place, key))
        .chain(ways)
        .next()
}
