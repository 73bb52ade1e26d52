//! What stands in log lines, metrics' labels and the ready line. The end-to-end test `reference`
//! holds these tables against what a running gateway writes.

use super::Named;

/// A kind of line with the target `security`.
pub(super) struct Line {
    /// Its message; when it is written.
    pub(super) named: Named,
    /// Beside those that every line has.
    pub(super) fields: &'static [&'static str],
}

pub(super) const SECURITY: &[Line] = &[
    Line {
        named: (
            "logged in",
            "Somebody logged in: a session was begun, or Basic was verified.",
            "Кто-то вошёл: начат сеанс или проверен Basic.",
        ),
        fields: &["request.id", "client.addr", "database.id", "user"],
    },
    Line {
        named: (
            "login failed",
            "A wrong login. The client is told the same whatever the reason.",
            "Неудачный вход. Клиенту отвечают одинаково, какой бы ни была причина.",
        ),
        fields: &["request.id", "client.addr", "database.id", "user", "reason"],
    },
    Line {
        named: (
            "connection refused",
            "A connection was closed without a byte, or answered that the port speaks https.",
            "Соединение закрыто без единого байта или получило ответ, что порт работает по https.",
        ),
        fields: &["client.addr", "database.id", "reason"],
    },
    Line {
        named: (
            "connections refused, and not logged one by one",
            "Once a minute: how many more there were of an address, failed handshakes among them.",
            "Раз в минуту: сколько ещё соединений этого адреса отвергнуто, с неудавшимися рукопожатиями.",
        ),
        fields: &["client.addr", "reason", "suppressed"],
    },
    Line {
        named: (
            "connections of other addresses refused, and not logged one by one",
            "Once a minute: how many there were of addresses without a line of their own.",
            "Раз в минуту: сколько отвергнуто соединений адресов, которым не досталось своей строки.",
        ),
        fields: &["suppressed"],
    },
    Line {
        named: (
            "TLS handshake failed",
            "A client did not get as far as a request. What scanners do (`silent`, `closed-at-once`, `garbage`) is written only with `log: {level: debug}`; the metric counts all.",
            "Клиент не дошёл до запроса. О том, что делают сканеры (`silent`, `closed-at-once`, `garbage`), пишется только при `log: {level: debug}`; метрика считает всё.",
        ),
        fields: &[
            "client.addr",
            "port",
            "reason",
            "tls.offered",
            "tls.server_name",
            "fault",
        ],
    },
    Line {
        named: (
            "list changed by the administrator",
            "`gateway list add` or `remove`.",
            "Команда `gateway list add` или `remove`.",
        ),
        fields: &["file", "add", "remove"],
    },
    Line {
        named: (
            "certificate installed",
            "A certificate serves in place of the one before: imported, made here, renewed.",
            "Вместо прежнего служит новый сертификат: загруженный, сделанный здесь, обновлённый.",
        ),
        fields: &["slot", "thumbprint"],
    },
    Line {
        named: (
            "certificate removed",
            "`gateway cert remove`.",
            "Команда `gateway cert remove`.",
        ),
        fields: &["slot"],
    },
    Line {
        named: (
            "certificate request made",
            "`gateway cert csr`.",
            "Команда `gateway cert csr`.",
        ),
        fields: &["slot", "id"],
    },
    Line {
        named: (
            "the root of our own authority has been made",
            "The first `gateway cert authority`.",
            "Первая команда `gateway cert authority`.",
        ),
        fields: &[],
    },
    Line {
        named: (
            "the root's key has been moved away",
            "`gateway cert authority --root-key-to`.",
            "Команда `gateway cert authority --root-key-to`.",
        ),
        fields: &[],
    },
    Line {
        named: (
            "device certificate issued",
            "`gateway cert device add`.",
            "Команда `gateway cert device add`.",
        ),
        fields: &["device", "serial"],
    },
    Line {
        named: (
            "device certificate revoked",
            "`gateway cert device revoke`.",
            "Команда `gateway cert device revoke`.",
        ),
        fields: &["device", "serial"],
    },
    Line {
        named: (
            "databases changed by the administrator",
            "`gateway database add`, `set` or `remove`.",
            "Команда `gateway database add`, `set` или `remove`.",
        ),
        fields: &["revision", "databases"],
    },
    Line {
        named: (
            "changed by the administrator",
            "Users, groups, properties, document types: a change over `admin.sock`.",
            "Пользователи, группы, свойства, типы документов: изменение командой на сервере.",
        ),
        fields: &["database", "method", "path"],
    },
    Line {
        named: (
            "the server is stopped by the administrator",
            "`gateway server stop`.",
            "Команда `gateway server stop`.",
        ),
        fields: &[],
    },
    Line {
        named: (
            "the server is started by the administrator",
            "`gateway server start`.",
            "Команда `gateway server start`.",
        ),
        fields: &["port"],
    },
];

/// Of the lines above, those that every line has first.
pub(super) const SECURITY_FIELDS: &[Named] = &[
    (
        "timestamp",
        "When it happened, UTC.",
        "Когда это случилось, UTC.",
    ),
    (
        "level",
        "`INFO`, of a failed login `WARN`, of what scanners do `DEBUG`.",
        "`INFO`, у неудачного входа `WARN`, у того, что делают сканеры, `DEBUG`.",
    ),
    ("target", "`security`.", "`security`."),
    (
        "message",
        "The message above.",
        "Сообщение из таблицы выше.",
    ),
    ("request.id", "The number of the request.", "Номер запроса."),
    (
        "client.addr",
        "The client's address; in a summary the key under which it is counted, IPv6 as /64.",
        "Адрес клиента; в сводке — то, по чему он считается: для IPv6 это сеть /64.",
    ),
    (
        "database.id",
        "The database; empty where it was not known yet.",
        "База; пусто, если до выбора базы дело не дошло.",
    ),
    (
        "database",
        "The database that was changed.",
        "База, которую изменили.",
    ),
    (
        "user",
        "Id of the user; absent where nobody has that name.",
        "Идентификатор пользователя; нет, если такого пользователя нет.",
    ),
    (
        "reason",
        "One of the reasons below.",
        "Одна из причин ниже.",
    ),
    ("suppressed", "How many.", "Сколько."),
    (
        "port",
        "Its number; of a handshake, whose port it is.",
        "Номер порта; у рукопожатия TLS — чей это порт.",
    ),
    (
        "tls.offered",
        "The newest version of TLS that the client offered; empty where it had not come.",
        "Самая новая версия TLS из предложенных клиентом; пусто, если до этого не дошло.",
    ),
    (
        "tls.server_name",
        "How the client called the server (SNI); empty where it gave no name, or nothing that could be one.",
        "Имя сервера, к которому обратился клиент (SNI); пусто, если имени нет или это не имя.",
    ),
    ("fault", "OpenSSL's words.", "Слова OpenSSL."),
    ("file", "The list file.", "Файл списка."),
    ("add", "Entries to add.", "Добавляемые записи."),
    ("remove", "Entries to remove.", "Удаляемые записи."),
    (
        "revision",
        "Revision of the directory after the change.",
        "Версия списка баз после изменения.",
    ),
    (
        "databases",
        "Ids of the databases that were changed.",
        "Коды изменённых баз.",
    ),
    (
        "slot",
        "Whose certificate: `server`, or `database-` and the id.",
        "Чей сертификат: `server` или `database-` и код базы.",
    ),
    (
        "thumbprint",
        "SHA-256 thumbprint; two of them with `+` between.",
        "Отпечаток SHA-256; два — через `+`.",
    ),
    (
        "id",
        "Id of the request for a certificate.",
        "Код запроса на сертификат.",
    ),
    ("device", "Name of the device.", "Имя устройства."),
    (
        "serial",
        "Serial number of its certificate.",
        "Серийный номер его сертификата.",
    ),
    ("method", "HTTP method.", "Метод HTTP."),
    (
        "path",
        "Path of what was changed.",
        "Путь того, что изменили.",
    ),
];

pub(super) const LABELS: &[Named] = &[
    (
        "database",
        "Id of the database; empty where it was not known yet.",
        "Код базы; пусто, если до выбора базы дело не дошло.",
    ),
    (
        "status",
        "`2xx`, `3xx`, `4xx`, `5xx`; a client that did not wait counts as `4xx`.",
        "`2xx`, `3xx`, `4xx`, `5xx`; клиент, который не дождался ответа, считается за `4xx`.",
    ),
    ("reason", "As in the log.", "Как в журнале."),
    ("version", "Version of TLS.", "Версия TLS."),
    (
        "cipher",
        "Cipher suite, as OpenSSL calls it.",
        "Набор шифров, как его называет OpenSSL.",
    ),
    (
        "group",
        "Group of the key exchange; `none` where RSA did it.",
        "Группа обмена ключами; `none` — обмен ключами RSA.",
    ),
    (
        "port",
        "`data`, `print` or `server`.",
        "`data` — порт сервера данных, `print` — печати, `server` — порт сервера.",
    ),
    (
        "certificate",
        "Whose: `server`, or `database-` and the id.",
        "Чей: `server` или `database-` и код базы.",
    ),
    (
        "outcome",
        "`good`, `wrong`, `refreshed`, `busy`.",
        "`good` — вход удался, `wrong` — нет, `refreshed` — обновлён токен, `busy` — проверять было некогда.",
    ),
    (
        "le",
        "Upper bound of a step of the histogram, seconds.",
        "Верхняя граница ступени гистограммы, секунды.",
    ),
];

pub(super) const READY: &[Named] = &[
    ("databases[].id", "Id of the database.", "Код базы."),
    ("databases[].name", "Its name.", "Её имя."),
    (
        "databases[].address",
        "Where its data server port listens; `null`: it does not, see `gateway status`.",
        "Адрес порта сервера данных; `null` — порт не открыт, причину покажет `gateway status`.",
    ),
    (
        "databases[].print",
        "Where its print server port listens, or `null`.",
        "Адрес порта сервера печати или `null`.",
    ),
    (
        "server",
        "Where the server port listens, or `null`.",
        "Адрес порта сервера или `null`.",
    ),
    (
        "metrics",
        "Where health and metrics are served; `null`: off.",
        "Адрес проверки состояния и метрик; `null` — выключены.",
    ),
];

/// Every security line of the code is in the table, and no other.
#[test]
fn the_security_lines_of_the_code_are_documented() {
    let mut written = std::collections::BTreeSet::new();
    let mut text = String::new();
    sources(
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut text,
    );
    let marker = ["target: ", "\"security\""].concat();
    for line in text.split(&marker).skip(1) {
        // The message is the last argument.
        let last = line.match_indices('"').find_map(|(at, _)| {
            let (before, after) = line.split_at(at);
            let after = after.strip_prefix('"')?.trim_start();
            after.starts_with(')').then_some(before)
        });
        let message = last.and_then(|before| before.rsplit('"').next()).unwrap();
        written.insert(message.to_owned());
    }
    let documented = SECURITY.iter().map(|line| line.named.0.to_owned());
    assert_eq!(written, documented.collect());
    let known: Vec<&str> = SECURITY_FIELDS.iter().map(|field| field.0).collect();
    let fields = SECURITY.iter().flat_map(|line| line.fields);
    let unknown: Vec<_> = fields.filter(|field| !known.contains(field)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn sources(folder: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
