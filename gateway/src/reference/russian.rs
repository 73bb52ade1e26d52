//! English of the reference → Russian. The English is a comment of a field, a word of the tables,
//! or a metric's help; where it changes, its Russian is missed and written anew.

pub(super) const TEXTS: &[(&str, &str)] = &[
    // The tables.
    ("Options of every command:", "Параметры всех команд:"),
    ("option", "параметр"),
    ("meaning", "что значит"),
    ("key", "ключ"),
    ("value", "вид"),
    ("default", "по умолчанию"),
    ("field", "поле"),
    ("message", "сообщение"),
    ("when", "когда"),
    ("fields", "поля"),
    ("reason", "причина"),
    ("name", "имя"),
    ("kind", "вид"),
    ("labels", "метки"),
    ("label", "метка"),
    ("status", "код ответа"),
    ("code", "код"),
    ("text", "текст"),
    ("number", "число"),
    ("list", "список"),
    ("mapping", "вложенные ключи"),
    ("or", "или"),
    ("required", "обязателен"),
    ("absent", "нет"),
    ("empty", "пусто"),
    ("see below", "см. ниже"),
    ("May be absent.", "Может отсутствовать."),
    // Keys of the files.
    (
        "Language of messages, where a client does not ask for another.",
        "Язык сообщений, если клиент не просит другой.",
    ),
    (
        "Data folder: lists, secrets, certificates, cache, log. `--data` takes precedence.",
        "Папка данных: списки адресов, секреты, сертификаты, кэш, журнал. `--data` важнее.",
    ),
    (
        "Address on which all public ports listen; `::` is every address, IPv4 and IPv6.",
        "Адрес, на котором открыты все наружные порты; `::` — все адреса, IPv4 и IPv6.",
    ),
    ("The log.", "Журнал."),
    (
        "`file`: in `log/` of the data folder.",
        "`file`: в папке `log/` папки данных; `stderr`: в стандартный поток ошибок.",
    ),
    (
        "The least important events that are still written.",
        "Самые неважные события, которые ещё записываются.",
    ),
    (
        "MiB after which another file begins; one also begins with each day (UTC).",
        "Сколько МиБ в одном файле, потом начинается следующий; новый файл начинается и с новыми сутками (UTC).",
    ),
    (
        "Days after which a file is removed.",
        "Через сколько дней файл удаляется.",
    ),
    (
        "MiB of all files together, the oldest go first; at least twice `file_mib`.",
        "Сколько МиБ во всех файлах вместе, лишние удаляются начиная с самых старых; не меньше двух `file_mib`.",
    ),
    (
        "Where health and metrics are served: a loopback address with a port, or `off`.",
        "Где отвечают проверка состояния и метрики: адрес этой же машины с портом или `off` — нигде.",
    ),
    (
        "Proxies whose PROXY protocol and `X-Forwarded-For` are believed: addresses and networks.",
        "Прокси, которым верят на слово об адресе клиента (протокол PROXY и `X-Forwarded-For`): адреса и сети.",
    ),
    (
        "The one port that serves every database, the database id first in the path.",
        "Порт сервера: один на все базы, код базы стоит в адресе первым.",
    ),
    (
        "Takes effect when the server starts; 0 lets the system choose.",
        "Действует со следующего запуска сервера; 0 — порт выбирает система.",
    ),
    (
        "Takes effect when the server starts. `false`: plain HTTP; databases with `https: true` answer 403 on it.",
        "Действует со следующего запуска сервера. `false` — http без шифрования; базы с `https: true` отвечают на нём 403.",
    ),
    (
        "Absent: the default certificate.",
        "Если не задан, берётся сертификат по умолчанию.",
    ),
    (
        "The certificate, then its intermediates.",
        "Файл PEM: сам сертификат, за ним промежуточные.",
    ),
    (
        "The private key; readable by its owner alone (0600), or root's and readable by a group (0640).",
        "Файл PEM с закрытым ключом; читать его может только владелец (0600) либо владелец root и одна группа (0640).",
    ),
    (
        "Default certificate; absent: the one in the data folder.",
        "Сертификат по умолчанию; если не задан — тестовый, из папки данных.",
    ),
    (
        "Page for terminals with the certificate to trust, instructions, QR codes and a self-test, over plain HTTP on a port of its own, or `off`. It names databases to everyone whom their lists admit: open it while terminals are set up.",
        "Страница для подключения ТСД: сертификат, которому надо доверять, инструкции, QR-коды и проверка; по http на своём порту, или `off`. Она называет базы каждому, кого допускают их списки: открывайте её на время подключения ТСД.",
    ),
    ("0 lets the system choose.", "0 — порт выбирает система."),
    (
        "The shared service account, sent upstream where a database says `account: shared`.",
        "Общая учётная запись: отправляется серверу данных, если у базы стоит `account: shared`.",
    ),
    (
        "Login name at the upstream.",
        "Имя для входа на сервер данных.",
    ),
    (
        "File with the password in one line of UTF-8; readable by its owner alone (0600), or root's and readable by a group (0640). A change of it takes effect within a second.",
        "Файл с паролем, одна строка в UTF-8; читать его может только владелец (0600) либо владелец root и одна группа (0640). Изменённый файл действует в течение секунды.",
    ),
    (
        "Connections per client address; whitelisted addresses are exempt.",
        "Соединения с одного адреса; на адреса из белого списка не действует.",
    ),
    (
        "Connections open at once.",
        "Сколько соединений открыто одновременно.",
    ),
    (
        "New connections a second, on average.",
        "Сколько новых соединений в секунду, в среднем.",
    ),
    (
        "New connections at once, above the average.",
        "Сколько новых соединений сразу, сверх среднего.",
    ),
    (
        "Our backend: `embedded` in this process, or another host's. Absent: only `databases`.",
        "Собственный сервер данных (бэкенд): `embedded` — в этом же процессе, либо на другой машине. Если не задан, работают только базы из `databases`.",
    ),
    (
        "Its address, `http://host:port`.",
        "Его адрес, `http://узел:порт`.",
    ),
    (
        "File with the shared key; readable by its owner alone (0600), or root's and readable by a group (0640).",
        "Файл с общим ключом; читать его может только владелец (0600) либо владелец root и одна группа (0640).",
    ),
    (
        "Databases in front of existing servers.",
        "Базы, которые стоят перед существующими серверами данных.",
    ),
    (
        "Its code, the first path segment on the server port.",
        "Код базы: первая часть пути на порту сервера.",
    ),
    ("Its name for people.", "Имя базы для людей."),
    (
        "Folder with `Server/whitelist.dat` and `Server/blacklist.dat`; absent: `databases/NAME` in the data folder.",
        "Папка базы, в ней `Server/whitelist.dat` и `Server/blacklist.dat`; если не задана — `databases/ИМЯ` в папке данных.",
    ),
    ("A note for people.", "Комментарий для людей."),
    (
        "Which clients its ports' TLS is for: `modern` (1.3 alone), `intermediate` (1.2 and 1.3), `old` (also 1.0 and 1.1, for whitelisted addresses), `old-for-everyone`.",
        "Для каких клиентов TLS на её портах: `modern` (только 1.3), `intermediate` (1.2 и 1.3), `old` (ещё 1.0 и 1.1, только для адресов из белого списка), `old-for-everyone` (то же для всех).",
    ),
    (
        "Whether a client has to show a certificate that `gateway cert device` has made: `off`, `optional`, `required`.",
        "Должен ли клиент показать сертификат, выпущенный командой `gateway cert device`: `off` — нет, `optional` — может, `required` — должен.",
    ),
    (
        "Which clients its TLS is for, as with a database; in force as soon as it is saved.",
        "Для каких клиентов TLS порта сервера, как у базы; действует сразу после записи.",
    ),
    (
        "Which clients its TLS is for, as with a database.",
        "Для каких клиентов её TLS, как у базы.",
    ),
    (
        "Mode of work. Only `server` opens ports.",
        "Режим работы: `server` — подключение к серверу, `folder` — папка, `device` — устройство. Порты открываются только при `server`.",
    ),
    ("`false`: plain HTTP.", "`false` — http без шифрования."),
    (
        "Who judges a login: `gateway` by the users below, `upstream` the existing server, counted by us; `none`: nobody is asked.",
        "Кто проверяет вход: `gateway` — шлюз, по пользователям ниже; `upstream` — сам сервер данных, а шлюз считает его отказы; `none` — вход не спрашивают.",
    ),
    (
        "Whether a barcode, or a password without a name, is a login.",
        "Можно ли войти по штрихкоду или по одному паролю без имени.",
    ),
    (
        "What each role may do: `smarts` (the table of the README), `pass` (everything), or a list of rules; what no rule allows is refused.",
        "Что можно каждой роли: `smarts` — таблица из README, `pass` — всё, либо список правил; чего не разрешает ни одно правило, то запрещено.",
    ),
    ("Whom the rule is for.", "Для кого правило."),
    (
        "HTTP methods; `GET` and `HEAD` are two.",
        "Методы HTTP; `GET` и `HEAD` — два разных.",
    ),
    (
        "How the path begins, as text (not percent-encoded); ends where a segment ends.",
        "Начало пути, обычным текстом (без процентов); кончается там, где кончается часть пути.",
    ),
    (
        "Whether the existing server is told user, role and address in `X-Smarts-…` headers.",
        "Сообщать ли серверу данных пользователя, роль и адрес в заголовках `X-Smarts-…`.",
    ),
    (
        "Data server port; 0 lets the system choose.",
        "Порт сервера данных; 0 — порт выбирает система.",
    ),
    (
        "The existing server, `http://host:port`.",
        "Существующий сервер данных, `http://узел:порт`.",
    ),
    (
        "The print server; absent: none.",
        "Сервер печати; если не задан, его нет.",
    ),
    (
        "Print server port; 0 lets the system choose.",
        "Порт сервера печати; 0 — порт выбирает система.",
    ),
    (
        "The existing print server, `http://host:port`.",
        "Существующая служба печати, `http://узел:порт`.",
    ),
    (
        "`same` as the database, or `pass`: nobody is asked.",
        "`same` — вход как у базы, `pass` — вход не спрашивают.",
    ),
    (
        "Service account sent upstream as Basic: `none`, `shared` (the one at the top), or its own.",
        "Учётная запись, с которой шлюз обращается к серверу данных (Basic): `none` — никакой, `shared` — общая, либо своя.",
    ),
    (
        "Whether answers with goods, tables and reference lists are compressed for clients that accept gzip.",
        "Сжимать ли справочники и таблицы для клиентов, которые принимают gzip.",
    ),
    (
        "With `authentication: upstream`: paths on which a 401 or 403 is a failed login.",
        "При `authentication: upstream`: пути, на которых 401 или 403 — неудачный вход.",
    ),
    (
        "With `authentication: gateway`: who may log in.",
        "При `authentication: gateway`: кто может войти.",
    ),
    (
        "Unique in the database; a login name too.",
        "Идентификатор, один такой в базе; по нему тоже можно войти.",
    ),
    (
        "Login name: unique in the database, in any letter case.",
        "Имя для входа, одно такое в базе; большие и маленькие буквы не различаются.",
    ),
    ("What the user may do.", "Роль: что можно пользователю."),
    (
        "Argon2id hash of the password.",
        "Хеш Argon2id пароля, его печатает `gateway hash`.",
    ),
    (
        "Blind index of the password; absent: no login by password alone.",
        "Индекс пароля, его печатает `gateway hash`; без него нельзя войти по одному паролю.",
    ),
    ("Argon2id hash of the barcode.", "Хеш Argon2id штрихкода."),
    (
        "Blind index of the barcode; absent: no login by barcode.",
        "Индекс штрихкода; без него нельзя войти по штрихкоду.",
    ),
    (
        "Data folder: databases, users, documents. Made at the first start.",
        "Папка данных: базы, пользователи, документы. Создаётся при первом запуске.",
    ),
    (
        "`unix:PATH`, which only this user can open, or `ADDRESS:PORT`, which needs `key_file`.",
        "`unix:ПУТЬ` — сокет, который может открыть только этот пользователь, или `АДРЕС:ПОРТ`, тогда нужен `key_file`.",
    ),
    (
        "File with the shared key, at least 16 characters; readable by its owner alone (0600), or root's and readable by a group (0640).",
        "Файл с общим ключом, не меньше 16 знаков; читать его может только владелец (0600) либо владелец root и одна группа (0640).",
    ),
    // Fields of the status.
    ("Version of the gateway.", "Версия шлюза."),
    ("Version of OpenSSL in it.", "Версия OpenSSL в нём."),
    ("Process id.", "Номер процесса."),
    ("Its file.", "Его файл конфигурации."),
    ("Where it lies.", "Где лежит файл."),
    (
        "Faults of the newest file; while there are any, the file before is in force.",
        "Ошибки последнего файла; пока они есть, действует прежний.",
    ),
    (
        "What works as written and should be known all the same.",
        "Что работает как написано, но знать об этом надо.",
    ),
    (
        "Our backend, where one is configured.",
        "Бэкенд, если он задан.",
    ),
    (
        "Revision of its directory: grows with every change.",
        "Версия списка баз: растёт с каждым изменением.",
    ),
    ("Why it does not answer.", "Почему он не отвечает."),
    ("The server port.", "Порт сервера."),
    (
        "Port number; outside of `in_force` as saved.",
        "Номер порта; вне `in_force` — как сохранён.",
    ),
    (
        "Whether it speaks https; outside of `in_force` as saved.",
        "Работает ли он по https; вне `in_force` — как сохранено.",
    ),
    (
        "As at its last start, while it is not stopped.",
        "Что действует с последнего запуска сервера, если он не остановлен.",
    ),
    ("Where it listens.", "Адрес, на котором открыт порт."),
    ("Whether it serves.", "Открыт порт или закрыт."),
    (
        "Why it does not serve, in the asker's language.",
        "Почему закрыт, на языке спросившего.",
    ),
    (
        "The page by which a terminal gets to trust the server, where it is on.",
        "Страница для подключения ТСД, если она включена.",
    ),
    (
        "Its port as wished; 0 lets the system choose.",
        "Её порт, как задан; 0 — выбирает система.",
    ),
    (
        "SHA-256 thumbprints of the certificates that this port shows.",
        "Отпечатки SHA-256 сертификатов, которые показывает этот порт.",
    ),
    (
        "The certificate of the server port, where it speaks https and it is usable.",
        "Сертификат порта сервера, если он работает по https и сертификат годен.",
    ),
    (
        "Connections now, of all ports.",
        "Сколько сейчас соединений на всех портах.",
    ),
    ("Every database.", "Все базы."),
    ("Its code.", "Код базы."),
    (
        "Its folder with the address lists.",
        "Папка базы со списками адресов.",
    ),
    (
        "Where it stands: file and line, or the backend.",
        "Где база записана: файл и строка или бэкенд.",
    ),
    (
        "Which clients its ports' TLS is for: `modern`, `intermediate`, `old`, `old-for-everyone`.",
        "Для каких клиентов TLS на её портах: `modern`, `intermediate`, `old`, `old-for-everyone`.",
    ),
    (
        "TLS of the server port since the process started.",
        "TLS на порту сервера с момента запуска.",
    ),
    (
        "TLS of its ports since the process started.",
        "TLS на её портах с момента запуска.",
    ),
    (
        "What complete handshakes agreed on, the most frequent first.",
        "О чём договорились в завершённых рукопожатиях; сначала самое частое.",
    ),
    (
        "Who has needed profile `old` in the last 30 days, for TLS 1.0 or 1.1 or for its ciphers; the last one first, 64 at most.",
        "Кому за последние 30 дней был нужен профиль `old`: ради TLS 1.0 или 1.1 или ради его шифров; сначала последний, не больше 64.",
    ),
    ("Version of TLS.", "Версия TLS."),
    (
        "Group of the key exchange; `none` where RSA did it.",
        "Группа обмена ключами; `none` — обмен ключами RSA.",
    ),
    (
        "Cipher suite, as OpenSSL calls it.",
        "Набор шифров, как его называет OpenSSL.",
    ),
    ("How many handshakes.", "Сколько рукопожатий."),
    ("Its address, or its /64.", "Его адрес или его /64."),
    (
        "Version of TLS that it spoke last.",
        "Версия TLS, по которой он говорил в последний раз.",
    ),
    (
        "Cipher suite that it spoke last, as OpenSSL calls it.",
        "Набор шифров, которым он пользовался в последний раз, как его называет OpenSSL.",
    ),
    ("When that was, UTC.", "Когда это было, UTC."),
    (
        "Whether a client has to show a certificate: `off`, `optional`, `required`.",
        "Должен ли клиент показать сертификат: `off`, `optional`, `required`.",
    ),
    (
        "Mode of work: `server`, `folder`, `device`; only `server` opens ports.",
        "Режим работы: `server`, `folder`, `device`; порты открываются только при `server`.",
    ),
    (
        "What works as wished and should be known all the same.",
        "Что работает как задано, но знать об этом надо.",
    ),
    (
        "Whether its ports speak https.",
        "Работают ли порты базы по https.",
    ),
    (
        "Who judges a login: `gateway`, `upstream`, `none`.",
        "Кто проверяет вход: `gateway`, `upstream`, `none`.",
    ),
    (
        "Data server port as wished; 0 lets the system choose.",
        "Порт сервера данных, как задан; 0 — порт выбирает система.",
    ),
    (
        "Its print server port, where it has one.",
        "Порт сервера печати, если он есть.",
    ),
    (
        "Print server port as wished; 0 lets the system choose.",
        "Порт сервера печати, как задан; 0 — порт выбирает система.",
    ),
    (
        "The print service; without one the port answers 503.",
        "Служба печати; без неё порт отвечает 503.",
    ),
    ("The service account.", "Учётная запись."),
    (
        "Whose account it is: no one's, the shared one, the database's own.",
        "Чья она: никакой нет, общая, своя.",
    ),
    (
        "Its login name; its password is nowhere.",
        "Имя для входа; пароля здесь нет.",
    ),
    (
        "Whether it goes upstream: not with our backend, which needs none.",
        "Отправляется ли серверу данных: нашему не нужна и не отправляется.",
    ),
    ("How many users it has.", "Сколько в базе пользователей."),
    (
        "Connections now, of its own ports.",
        "Сколько сейчас соединений на портах базы.",
    ),
    ("Whitelist and blacklist.", "Белый и чёрный списки."),
    ("Entries in force.", "Сколько записей действует."),
    (
        "Why the file cannot be read, with its line; the list before is in force.",
        "Почему файл не читается, с номером строки; действует прежний список.",
    ),
    (
        "The certificate of its ports, where they speak https and it is usable; two where an ECDSA and an RSA one stand side by side, the ECDSA one first.",
        "Сертификат портов базы, если они работают по https и он годен; два, если рядом стоят ECDSA и RSA, тогда первым ECDSA.",
    ),
    (
        "Why the newest files of the certificate are not served, in the asker's language; the last good one is, where it is shown above.",
        "Почему не действуют новые файлы сертификата, на языке спросившего; действует последний исправный, если он показан выше.",
    ),
    ("Where it lies.", "Где он лежит."),
    (
        "How it came to be served: `test`, `files` of the configuration, `imported`, `self-signed`; `authority` and `acme`, which renew by themselves; `unknown`, where `plan.json` cannot be read.",
        "Откуда он взялся: `test` — тестовый, `files` — файлы из конфигурации, `imported` — загружен, `self-signed` — самоподписанный; `authority` — нашего центра сертификации и `acme` — эти продлеваются сами; `unknown` — неизвестно откуда: `plan.json` не читается.",
    ),
    (
        "Whose it is: its common name.",
        "Обладатель: общее имя (CN).",
    ),
    (
        "Who has signed it; the holder, where nobody else has.",
        "Издатель: кто подписал; у самоподписанного это сам обладатель.",
    ),
    ("Valid from, UTC.", "Действует с (UTC)."),
    ("Valid until, UTC.", "Действует до (UTC)."),
    ("Whole days until then.", "Сколько полных дней осталось."),
    (
        "That it ends soon or has ended, and what to do, in the asker's language.",
        "Что срок скоро истечёт или истёк и что делать; на языке того, кто спрашивает.",
    ),
    (
        "What it really serves, where it speaks https; absent until it was dialled.",
        "Что порт отдаёт на самом деле, если он работает по https; нет, пока проверки не было.",
    ),
    (
        "When the port was last dialled, UTC.",
        "Когда порт последний раз проверен соединением, UTC.",
    ),
    (
        "Who trusts what it serves: `public`, whoever knows the public authorities; `own`, whoever has our root; `itself`, whoever was given the certificate; `missing`, whoever has the issuer from elsewhere.",
        "Кто доверяет тому, что он отдаёт: `public` — все, кто знает публичные центры; `own` — у кого есть наш корневой сертификат; `itself` — кому дали сам сертификат; `missing` — у кого издатель есть из другого источника.",
    ),
    (
        "Where `trust` is `missing`: whose certificate the chain lacks.",
        "Если `trust` — `missing`: чьего сертификата нет в цепочке.",
    ),
    (
        "What is not as it should be, in the asker's language.",
        "Что не так, на языке того, кто спрашивает.",
    ),
    (
        "DNS names and IP addresses for which it is good.",
        "Имена DNS и IP-адреса, для которых он годен.",
    ),
    ("Kind and size of its key.", "Вид и длина ключа."),
    ("SHA-1 thumbprint.", "Отпечаток SHA-1."),
    ("SHA-256 thumbprint.", "Отпечаток SHA-256."),
    (
        "For programs; the same in every language.",
        "Для программ: один на всех языках.",
    ),
    ("For people.", "Для людей."),
    (
        "Whether goods, tables and reference lists are compressed.",
        "Сжимаются ли товары, таблицы и справочники.",
    ),
    (
        "Whether copies of documents are made: our backend does, an existing server is not known.",
        "Делаются ли бэкапы документов: в базе нашего сервера данных; о существующем сервере это неизвестно.",
    ),
    (
        "Where the copies lie. Absent where the backend runs on another host.",
        "Папка с бэкапами. Нет, если наш сервер данных работает на другой машине.",
    ),
    (
        "Certificates that renew by themselves.",
        "Сертификаты, которые продлеваются сами.",
    ),
    (
        "`server`: of the server port and the default; `database-CODE`: of this database.",
        "`server`: порта сервера и всех баз без своего; `database-КОД`: этой базы.",
    ),
    (
        "Certificates of which it cannot be read how, or since when in vain, they are renewed.",
        "Сертификаты, о которых не прочесть, как они продлеваются или с каких пор это не удаётся.",
    ),
    (
        "What is wrong and what to do, in the asker's language.",
        "Что не так и что делать, на языке спросившего.",
    ),
    (
        "Who issues it: `authority`, our own; `acme`.",
        "Кто выпускает: `authority` — свой центр сертификации; `acme`.",
    ),
    (
        "When it is renewed, UTC; after a failure, when that is tried again.",
        "Когда будет продлён, UTC; после неудачи — когда следующая попытка.",
    ),
    (
        "What the administrator has to do for that, in the asker's language.",
        "Что для этого должен сделать администратор, на языке спросившего.",
    ),
    ("Failed attempts in a row.", "Неудачных попыток подряд."),
    ("Why the last one failed.", "Почему не удалась последняя."),
    ("When it failed, UTC.", "Когда она не удалась, UTC."),
    // Metrics.
    (
        "Failed attempts in a row to renew a certificate that renews by itself",
        "Неудачных попыток подряд продлить сертификат, который продлевается сам.",
    ),
    ("Connections accepted", "Принято соединений."),
    ("Connections now", "Открыто соединений сейчас."),
    (
        "Failed accepts",
        "Не удалось принять соединение: например, кончились дескрипторы.",
    ),
    ("Refusals by reason", "Отказы по причинам."),
    (
        "Complete TLS handshakes by database, version, cipher and group",
        "Завершённые рукопожатия TLS по базам, версиям, шифрам и группам.",
    ),
    (
        "Failed TLS handshakes by database and reason",
        "Неудавшиеся рукопожатия TLS по базам и причинам.",
    ),
    (
        "Until the certificate of a port ends, the first of two",
        "Секунды до конца сертификата порта; если их два — того, что истекает раньше.",
    ),
    (
        "How near the end of a port's certificate is: 0 there is time, 1 a stage is reached, 2 act today",
        "Близок ли конец сертификата порта: 0 — время есть, 1 — наступил срок предупреждения, 2 — действовать сегодня.",
    ),
    (
        "What the watchdog has found wrong at a port",
        "Сколько неисправностей порта нашла проверка снаружи.",
    ),
    ("Requests answered", "Отвечено на запросы."),
    ("Login attempts by outcome", "Попытки входа по исходу."),
    (
        "From the first byte of a request to the last of its answer",
        "Секунды от первого байта запроса до последнего байта ответа.",
    ),
];
