did-you-mean = может быть, «{ $nearest }»?
allowed = допустимо: { $allowed }

# Файл.
file-unreadable = { $file } не читается: { $reason }
too-large = файл больше 16 МиБ
not-utf8 = файл не в кодировке UTF-8
syntax = это не YAML ({ $detail })
unreadable = это не подходит ({ $detail })
anchor = якоря и ссылки YAML не поддерживаются; запишите значение полностью
tag = теги YAML не поддерживаются; запишите значение без тега
second-document = второй документ в одном файле не поддерживается
more-faults = и других ошибок: { $count }
more-warnings = и других предупреждений: { $count }

# Ключи.
unknown-key = неизвестный ключ «{ $key }»
missing-key = нет обязательного ключа «{ $key }»
duplicate-key = ключ «{ $key }» стоит здесь второй раз, впервые он в строке { $line }
key-not-text = ключ должен быть словом

# Значения.
expected-mapping = здесь ожидаются ключи со значениями
expected-list = здесь ожидается список
expected-text = здесь ожидается текст
expected-number = «{ $text }» не целое число
expected-switch = «{ $text }» не true и не false
not-allowed = «{ $text }» здесь недопустимо
needs-quotes = { $text } без кавычек может быть прочитано не как текст; возьмите в кавычки
quoted = число «{ $text }» пишется без кавычек
empty = здесь не может быть пусто
too-long = здесь больше { $most } символов
out-of-range = { $text } вне пределов от { $least } до { $most }
not-an-address = «{ $text }» не IP-адрес
not-a-socket-address = «{ $text }» не IP-адрес с портом вида 127.0.0.1:10509
not-a-network = «{ $text }» не IP-адрес и не сеть вида 10.0.0.0/8
not-a-database-id = «{ $text }» не код базы: от 1 до 64 символов a-z 0-9 - _ .
not-an-upstream = «{ $text }» не адрес сервера: ожидается http://узел:порт без пути
upstream-https = { $text }: с сервером за собой шлюз говорит по обычному HTTP; укажите его адрес http://
not-a-path = «{ $text }» не путь: он начинается с / и не содержит %, ? и # (прочие буквы пишутся как есть)
not-an-argon2-hash = это не хэш Argon2id; его делает из пароля команда «gateway hash», а из-за запятых он пишется в кавычках
argon2-out-of-bounds = параметры хэша { $parameters } вне допустимых; годный хэш делает команда «gateway hash»
not-a-blind-index = это не слепой индекс из 64 шестнадцатеричных цифр; его делает команда «gateway hash»

# Между ключами.
no-source = базам неоткуда взяться: нет ни «backend», ни «databases»
metrics-public = { $text } не петлевой адрес; метрики не бывают доступны снаружи
trusts-everybody = { $text } значит верить каждому на слово, какой у него адрес
log-too-small = { $total } МиБ на все файлы журнала мало: два полных файла занимают { $least } МиБ
duplicate-database = код базы «{ $id }» уже занят в строке { $line }
port-taken = порт { $port } уже занят: { $holder } в строке { $line }
port-taken-by-default = порт { $port } уже занят значением по умолчанию ключа { $key }, которого в файле нет
duplicate-login = имя входа «{ $name }» уже занято: { $holder } в строке { $line }
duplicate-secret = этот пароль или штрихкод тот же, что у { $holder } в строке { $line }
default-password = это пароль из тех, что пробуют первыми
no-shared-account = «shared» означает учётную запись из ключа «account» вверху файла, а её нет
users-of-upstream = пользователей здесь судит имеющийся сервер (authentication: upstream); этих никто не спросит
account-with-upstream = при authentication: upstream на сервер идут пароль и имя самого клиента; учётная запись заменила бы их
not-an-account-name = такое имя не передать: в нем не должно быть двоеточия и управляющих символов
not-a-password = в файле { $file } нет пароля: нужна одна строка текста в UTF-8
login-paths-unused = login_paths относится к authentication: upstream
barcode-login-unused = barcode_login относится к authentication: gateway
index-without-barcode = barcode_index относится к штрихкоду, а его нет
secret-readable = { $file } доступен другим (права { $mode }); нужно 0600, а файлу, который принадлежит root, можно и 0640
not-an-index-key = в { $file } нет ключа из 64 шестнадцатеричных цифр
certificate-unusable = со следующего запуска порты с этим сертификатом будут закрывать каждое соединение: { $fault }
certificate-ends = сертификат: { $alarm }
not-a-file = { $file } не файл

# Предупреждения.
https-off = https выключен: всё передаётся открытым текстом
tls-old = УСТАРЕВШЕЕ ШИФРОВАНИЕ: адресам из белого списка разрешены TLS 1.0 и 1.1, защита которых взломана; держите белый список коротким и верните intermediate, как только замените последний старый ТСД
tls-old-for-everyone = УСТАРЕВШЕЕ ШИФРОВАНИЕ ДЛЯ ВСЕХ: TLS 1.0 и 1.1, защита которых взломана, разрешены любому адресу; перейдите на old с белым списком
client-certificates-without-https = клиент может предъявить сертификат только по https
tls-old-for-nobody = ни у одной базы нет tls: old, поэтому тому, кто обращается к порту сервера по TLS 1.0 или 1.1, откажет каждая; укажите этот профиль у баз, к которым обращаются такие терминалы, или уберите его здесь
authentication-off = аутентификация выключена: обслуживается каждый, кто достиг порта
authentication-without-https = пароли и токены передаются открытым текстом: аутентификация без https
whitelists-everybody = { $file }: { $text } вносит в белый список всех
list-damaged = { $file }:{ $line }: «{ $text }» не строка списка; в силе остаётся список, прочитанный раньше
list-unreadable = { $file } не читается: { $reason }
no-users = никто не сможет войти: authentication: gateway без пользователей
user-without-index = без «index» этот пользователь входит только по имени и паролю
user-without-barcode-index = без «barcode_index» по этому штрихкоду не войти
ports-stay-closed = при mode: { $mode } порты этой базы остаются закрытыми
rights-without-roles = при authentication: upstream шлюз не знает ролей; rights не действует, напишите «pass»
shared-folder = папка, а с ней и списки, общая с { $holder } в строке { $line }

change-faulty = в файле есть ошибки; сначала исправьте их:
change-would-be-faulty = с этим изменением в файле была бы ошибка:
change-no-database = в файле нет базы { $id }
change-no-user = в файле нет пользователя { $id }
change-no-key = у базы перед имеющимся сервером нет настройки «{ $key }»
change-unclear = файл записан так, что программа не берется его править; измените его сами
step-write = запишите `{ $line }`
step-replace = замените эти строки на
step-insert = после этой строки вставьте
step-delete = удалите эти строки
