//! `error.code` of commands with `--json` and of `admin.sock`: for scripts, the same in every
//! language.

use super::{Edition, Named, code};
use crate::messages;

/// In the order in which a script meets them.
const CODES: &[Named] = &[
    (
        "not-running",
        "No gateway runs on this data folder; exit code 3.",
        "На этой папке данных шлюз не запущен; код завершения 3.",
    ),
    (
        "no-access",
        "The gateway belongs to another user.",
        "Шлюз запущен другим пользователем.",
    ),
    (
        "usage",
        "A command line that cannot be understood; exit code 2.",
        "Командная строка не понята; код завершения 2.",
    ),
    (
        "refused",
        "The command itself refuses: an argument does not fit, a name is unknown or not the only one.",
        "Отказывает сама команда: параметр не подходит, имя неизвестно или не одно такое.",
    ),
    (
        "failed",
        "The gateway did not answer, or not in a way that could be read.",
        "Шлюз не ответил или его ответ не прочитать.",
    ),
    (
        "yaml-database",
        "The database stands in the configuration file; `error.paste` says what to write where.",
        "База записана в файле конфигурации; `error.paste` говорит, что и где вписать.",
    ),
    (
        "by-hand",
        "The file may not be written by this user; `error.paste` says what to write.",
        "Этому пользователю нельзя писать в файл; `error.paste` говорит, что вписать.",
    ),
    (
        "faulty-file",
        "The configuration file has faults; the one before stays in force.",
        "В файле конфигурации ошибки; действует прежний.",
    ),
    (
        "file",
        "The configuration file cannot be changed as wished.",
        "Файл конфигурации нельзя так изменить.",
    ),
    (
        "no-backend",
        "No backend is configured, there is nothing for this command to change.",
        "Бэкенд не задан, менять этой команде нечего.",
    ),
    (
        "backend-away",
        "The backend does not answer.",
        "Бэкенд недоступен.",
    ),
    (
        "clash",
        "Two want one port; both are named.",
        "Один порт хотят двое; названы оба.",
    ),
    (
        "port",
        "A port cannot be opened; who holds it is named.",
        "Порт не открывается; названо, кто его занял.",
    ),
    (
        "folder",
        "The folder belongs to another database.",
        "Папка принадлежит другой базе.",
    ),
    (
        "claimed-twice",
        "A database stands in the file and in the backend.",
        "База записана и в файле, и в бэкенде.",
    ),
    (
        "account",
        "A service account cannot be used.",
        "Учётную запись нельзя использовать.",
    ),
    (
        "revision-moved",
        "Somebody else is changing the databases at the same time.",
        "Список баз меняется одновременно кем-то ещё.",
    ),
    (
        "not-in-force",
        "The change is saved and does not take effect yet; the message says why.",
        "Изменение сохранено, но пока не действует; сообщение говорит почему.",
    ),
    (
        "no-such-database",
        "No database has this id.",
        "Базы с таким кодом нет.",
    ),
    (
        "no-address",
        "`why`: this is no IP address.",
        "`why`: это не IP-адрес.",
    ),
    (
        "bad-request",
        "`admin.sock`: the request cannot be read.",
        "`admin.sock`: запрос не прочитать.",
    ),
    (
        "not-here",
        "`admin.sock`: there is no such request.",
        "`admin.sock`: такого запроса нет.",
    ),
    (
        "internal",
        "A fault of the gateway; the log says more.",
        "Ошибка шлюза; подробности в журнале.",
    ),
];

impl Edition {
    /// Those of lists, certificates and orders have their words in the catalogue.
    pub(super) fn command_codes(&self) -> String {
        let known = harness::document::messages(messages::tests::EN_TEXTS);
        let lists = known.into_iter().filter_map(|(key, values)| {
            let values: Vec<(&'static str, String)> = values
                .into_iter()
                .map(|value| (value, value.to_uppercase()))
                .collect();
            let values: Vec<_> = values
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let words = messages::text(self.language, key, &values);
            let name = ["list", "cert", "acme"].into_iter().find_map(|of| {
                let name = key.strip_prefix(of)?.strip_prefix("-refused-")?;
                Some(format!("{of}-{name}"))
            })?;
            Some([code(&name), words])
        });
        let others = CODES
            .iter()
            .map(|one| [code(one.0), self.of(one).to_owned()]);
        self.table(["code", "meaning"], others.chain(lists))
    }
}

/// Every code that a command of the program can end with is in the table, and no other.
#[test]
fn the_codes_of_commands_are_documented() {
    let mut written = std::collections::BTreeSet::new();
    let is_code = |text: &&str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let first = |text: &str| text.split('"').nth(1).filter(is_code).map(str::to_owned);
    let read = |file: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(file);
        std::fs::read_to_string(path).unwrap()
    };
    for file in [
        "administration.rs",
        "administration/lists.rs",
        "administration/written_down.rs",
        "administration/server.rs",
        "administration/databases.rs",
        "administration/entities.rs",
    ] {
        for made in ["Refused::new(", "Self::new("] {
            let text = read(file);
            written.extend(text.split(made).skip(1).filter_map(|call| {
                let second = call.split_once(',')?.1.trim_start();
                second.starts_with('"').then(|| first(second))?
            }));
        }
    }
    let within = |file: &str, begin: &str, end: &str| {
        let text = read(file);
        let (_, body) = text.split_once(begin).unwrap();
        body.split_once(end).unwrap().0.to_owned()
    };
    let of_change = within("gateway/world.rs", "fn code(", "fn ");
    let of_command = within("cli.rs", "fn explain(", "json_error(");
    let quoted = [of_change, of_command].concat();
    written.extend(
        quoted
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(is_code)
            .map(str::to_owned),
    );
    let documented = CODES.iter().map(|one| one.0.to_owned());
    assert_eq!(written, documented.collect());
}
