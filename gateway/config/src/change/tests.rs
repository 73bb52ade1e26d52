//! A changed file parses, says what was wished and nothing else, and the steps lead to it.

use backend_types::{ClientCertificates, PrintServer, TlsProfile};
use proptest::{option, prelude::*, sample::select};

use super::*;
use crate::{PasswordHash, Rights, config::ServerPort, database::PrintConfig};

/// A hash and an index that no user of [`DATABASES`] has.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$";

/// The same two databases, written in as many ways as people do.
const DATABASES: [&str; 3] = [
    "databases:
  # the shop
  - id: shop    # its code
    name: Магазин 15
    comment: |
      first
      second
    rights: pass   # everybody
    port: 9706     # terminals
    authentication: gateway
    https: true
    upstream: http://127.0.0.1:9000
    print:
      # labels
      port: 9707
      upstream: http://127.0.0.1:9001
    users:
      - id: \"1\"
        name: Иванов
        role: mobile-user
        password: $argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
      # the second
      - id: \"2\"
        name: Петров
        role: administrator
        password: $argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA
      #  - {id: \"3\"}

  # the courier
  -
    id: courier
    name: Курьер
    rights: pass
    port: 0
    upstream: \"http://127.0.0.1:9000\"
",
    "databases: [{id: shop, name: 'Магазин 15', comment: \"first\\nsecond\\n\", rights: pass, port: 9706,
  authentication: gateway, https: true, upstream: http://127.0.0.1:9000, # over there
  print: {port: 9707, upstream: http://127.0.0.1:9001},
  users: [{id: \"1\", name: Иванов, role: mobile-user, password: \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"},
    {id: \"2\", name: Петров, role: administrator, password: \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA\"}]},
  {id: courier, name: Курьер, rights: pass, port: 0, upstream: 'http://127.0.0.1:9000'}]
",
    "databases:
- users:
  - {id: \"1\", name: Иванов, role: mobile-user, password: \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}
  - id: \"2\"
    name: Петров
    role: administrator
    password: $argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2E$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA
  print: {port: 9707, upstream: http://127.0.0.1:9001}   # labels
  id: shop
  name: Магазин 15
  rights: pass
  port:
    9706
  upstream: http://127.0.0.1:9000
  https: true
  authentication: gateway
  comment: |
    first
    second
- id: courier
  name: Курьер
  rights: pass
  port: 0
  upstream: http://127.0.0.1:9000
",
];

const SERVERS: [&str; 7] = [
    "",
    "server: {port: 10501, https: true} # the server port\n",
    "server: {}\n",
    "server: { # one\n  https: true, # two\n}\n",
    "server:\n  # inside\n  port: 10501 # one\n",
    "server:\n    https: true\n\n    # after\n",
    "\"server\": {\"port\": 10501}\n",
];

const COMMENTS: [&str; 16] = [
    "# the shop",
    "# its code",
    "# everybody",
    "# terminals",
    "# labels",
    "# the second",
    "#  - {",
    "# the courier",
    "# over there",
    "# the server port",
    "# one",
    "# two",
    "# inside",
    "# after",
    "# first",
    "# between",
];

fn parsed(text: &str) -> Config {
    check(text, "gateway.yaml", &Overrides::default())
        .unwrap_or_else(|findings| panic!("{}\n{text}", listed(&findings)))
        .config
        .without_lines()
}

/// What a person does who follows the steps.
fn by_hand(text: &str, steps: &[Step]) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    for step in steps.iter().rev() {
        match step {
            Step::Replace { lines: at, with } => {
                lines.splice(at.start - 1..at.end - 1, with.clone());
            }
            Step::Insert { after, lines: new } => {
                lines.splice(after..after, new.clone());
            }
            Step::Delete { lines: at } => {
                lines.drain(at.start - 1..at.end - 1);
            }
        }
    }
    lines
}

#[track_caller]
fn changed(text: &str, wishes: &[Wish]) -> Changed {
    let changed = change(text, "gateway.yaml", &Overrides::default(), wishes)
        .unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    let lines: Vec<&str> = changed.text.lines().collect();
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = changed.text.strip_prefix('\u{feff}').is_some();
    assert_eq!(first, bare.len() < text.len(), "the byte order mark stays");
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.trim_start_matches('\u{feff}').to_owned())
        .collect();
    assert_eq!(by_hand(bare, &changed.steps), lines, "{text}");
    assert_eq!(changed.config.without_lines(), parsed(&changed.text));
    if bare.contains("\r\n") {
        assert_eq!(
            changed.text.matches('\n').count(),
            changed.text.matches("\r\n").count()
        );
    }
    // A comment goes only with what it stands in.
    let removes = |wish: &Wish| {
        let print = |set: &SettingsPatch| {
            set.print
                .as_ref()
                .is_some_and(|print| print.used == Some(false))
        };
        match wish {
            Wish::Database(Change::Remove { .. }) | Wish::RemoveUser { .. } => true,
            Wish::Database(Change::Set { settings, .. }) => print(settings),
            _ => false,
        }
    };
    if !wishes.iter().any(removes) {
        for comment in COMMENTS {
            let kept = bare.contains(comment) == changed.text.contains(comment);
            assert!(kept, "{comment}: {}", changed.text);
        }
    }
    changed
}

/// A file as editors leave it.
fn files() -> impl Strategy<Value = String> {
    let parts = (select(&SERVERS[..]), select(&DATABASES[..]));
    let dress = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (parts, dress).prop_map(
        |((server, databases), (windows, marked, unended, server_last))| {
            let (first, second) = match server_last {
                true => (databases, server),
                false => (server, databases),
            };
            let mut text = format!("# first\nlanguage: en # words\n{first}# between\n{second}");
            if unended {
                text.truncate(text.trim_end().len());
            }
            if windows {
                text = text.replace('\n', "\r\n");
            }
            if marked {
                text.insert(0, '\u{feff}');
            }
            text
        },
    )
}

fn names() -> impl Strategy<Value = String> {
    let words = select(
        &[
            "Курьер 2",
            "yes",
            "0123",
            "1e3",
            "- a",
            "a: b",
            "a #b",
            " x ",
            "{",
            "~",
        ][..],
    );
    let any =
        any::<String>().prop_filter("1 to 120", |name| (1..=120).contains(&name.chars().count()));
    prop_oneof![words.prop_map(ToOwned::to_owned), any]
}

fn paths() -> impl Strategy<Value = String> {
    "[a-zа-я #:]{1,20}".prop_map(|name| format!("/nowhere/{name}"))
}

fn patches() -> impl Strategy<Value = SettingsPatch> {
    let modes = select(&[Mode::Server, Mode::Folder, Mode::Device][..]);
    let texts = (
        option::of(names()),
        option::of(paths()),
        option::of(any::<String>()),
    );
    let switches = (
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
    );
    let port = option::of(20_000_u16..30_000);
    let print = option::of((option::of(any::<bool>()), option::of(30_001_u16..40_000)));
    let tls = option::of(select(&TlsProfile::ALL[..]));
    (texts, option::of(modes), switches, port, print, tls).prop_map(
        |((name, folder, comment), mode, switches, port, print, tls)| SettingsPatch {
            name,
            folder,
            comment,
            mode,
            https: switches.0,
            authentication: switches.1,
            barcode_login: switches.2,
            compress: switches.3,
            port,
            tls,
            print: print.map(|(used, port)| PrintPatch {
                used,
                port,
                ..PrintPatch::default()
            }),
            ..SettingsPatch::default()
        },
    )
}

/// The patch on the types, as simply as can be.
fn patched(database: &mut DatabaseConfig, patch: &SettingsPatch) {
    let SettingsPatch {
        name,
        folder,
        comment,
        mode,
        https,
        authentication,
        barcode_login,
        port,
        print,
        compress,
        tls,
        ..
    } = patch.clone();
    let old = database.port;
    database.port = port.unwrap_or(old);
    database.name = name.unwrap_or(database.name.clone());
    database.folder = folder.map_or(database.folder.clone(), Into::into);
    database.comment = comment.unwrap_or(database.comment.clone());
    database.mode = mode.unwrap_or(database.mode);
    database.https = https.unwrap_or(database.https);
    database.barcode_login = barcode_login.unwrap_or(database.barcode_login);
    database.compress = compress.unwrap_or(database.compress);
    database.tls = tls.unwrap_or(database.tls);
    database.authentication = match authentication {
        Some(true) => Authentication::Gateway,
        Some(false) => Authentication::None,
        None => database.authentication,
    };
    let Some(patch) = print else { return };
    let print = database.print.get_or_insert_with(|| PrintConfig {
        port: if old == 0 { 0 } else { old + 1 },
        upstream: SOME_PRINT_SERVER.parse().unwrap(),
        authentication: crate::PrintAuthentication::Same,
    });
    print.port = patch.port.unwrap_or(print.port);
    if patch.used == Some(false) {
        database.print = None;
    }
}

fn id(text: &str) -> DatabaseId {
    text.parse().unwrap()
}

fn user(id: &str, name: &str) -> UserConfig {
    UserConfig {
        id: id.to_owned(),
        name: name.to_owned(),
        role: backend_types::Role::ExternalConnection,
        password: format!("{HASH}{}A", id.repeat(42))
            .parse::<PasswordHash>()
            .unwrap(),
        index: Some(id.repeat(64).parse().unwrap()),
        barcode: None,
        barcode_index: None,
    }
}

/// Folders by default follow the name, and that is the file's business, not this test's.
fn without_default_folders(mut config: Config) -> Config {
    for database in &mut config.databases {
        if database.folder.starts_with("./data") {
            database.folder = std::path::PathBuf::new();
        }
    }
    config
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_new_server_port_changes_the_server_and_nothing_else(
        text in files(), port in option::of(10_000_u16..20_000), https in option::of(any::<bool>()),
        tls in option::of(select(&TlsProfile::ALL[..])),
    ) {
        let patch = ServerPatch { port, https, tls };
        prop_assume!(patch != ServerPatch::default());
        let before = parsed(&text);
        let after = changed(&text, &[Wish::Server(patch)]);
        let server = ServerPort {
            port: port.unwrap_or(before.server.port),
            https: https.unwrap_or(before.server.https),
            tls: tls.unwrap_or(before.server.tls),
            ..before.server.clone()
        };
        prop_assert_eq!(parsed(&after.text), Config { server, ..before });
        prop_assert!(after.steps.len() <= 3);
    }

    #[test]
    fn a_patched_entry_says_what_the_patch_said(
        text in files(), patch in patches(), courier in any::<bool>(),
    ) {
        let place = usize::from(courier);
        let mut wanted = without_default_folders(parsed(&text));
        patched(&mut wanted.databases[place], &patch);
        let id = wanted.databases[place].id.clone();
        let set = Change::Set { id, settings: patch };
        let after = changed(&text, &[Wish::Database(set.clone())]);
        prop_assert_eq!(without_default_folders(parsed(&after.text)), wanted);
    }

    #[test]
    fn a_new_entry_passes_the_check_and_is_the_last(
        text in files(), name in names(), folder in paths(), comment in any::<String>(),
        switches in any::<[bool; 5]>(), port in 20_000_u16..30_000,
        tls in select(&TlsProfile::ALL[..]),
        client_certificates in select(&ClientCertificates::ALL[..]),
    ) {
        let [https, authentication, barcode_login, print, compress] = switches;
        let https = https || client_certificates != ClientCertificates::Off;
        let print = PrintServer { used: print, port: port + 10_000, ..PrintServer::default() };
        let settings = DatabaseSettings {
            name: name.clone(), folder, comment: comment.clone(), mode: Mode::Server, https,
            authentication, barcode_login, port, print: print.clone(), account: Account::None,
            compress, backups: true, tls, client_certificates,
        };
        let before = without_default_folders(parsed(&text));
        let other = DatabaseSettings { port: 0, print: PrintServer::default(), ..settings.clone() };
        let first = Change::Add { id: id("other"), settings: other };
        let add = Change::Add { id: id("new"), settings };
        let wishes = [Wish::Database(first.clone()), Wish::Database(add.clone())];
        let after = without_default_folders(parsed(&changed(&text, &wishes).text));
        let (new, old) = after.databases.split_last().unwrap();
        let (other, old) = old.split_last().unwrap();
        prop_assert_eq!((&other.name, other.port), (&name, 0));
        prop_assert_eq!(old, &before.databases[..]);
        prop_assert_eq!((&new.name, &new.comment), (&name, &comment));
        prop_assert_eq!((new.port, new.https, new.barcode_login), (port, https, barcode_login));
        prop_assert_eq!((new.tls, new.client_certificates), (tls, client_certificates));
        prop_assert_eq!(new.print.as_ref().map(|print| print.port), print.used.then_some(print.port));
    }

    #[test]
    fn a_removed_entry_leaves_the_other(text in files(), courier in any::<bool>()) {
        let mut wanted = parsed(&text);
        let gone = wanted.databases.remove(usize::from(courier));
        let remove = Change::Remove { id: gone.id };
        let after = changed(&text, &[Wish::Database(remove.clone())]);
        prop_assert_eq!(parsed(&after.text), wanted);
        let last = Change::Remove { id: after.config.databases[0].id.clone() };
        let empty = changed(&after.text, &[Wish::Database(last.clone())]);
        prop_assert!(empty.config.databases.is_empty());
    }

    #[test]
    fn a_user_is_added_changed_and_removed(text in files(), name in names(), place in 0_usize..2) {
        prop_assume!(!name.trim().is_empty() && !["1", "2", "3"].contains(&name.trim()));
        let shop = id("shop");
        let new = user("3", &name);
        let added = changed(&text, &[Wish::User { database: shop.clone(), user: new.clone() }]);
        let mut wanted = parsed(&text);
        wanted.databases[0].users.push(new);
        prop_assert_eq!(parsed(&added.text), wanted.clone());

        let mut other = user(&(place + 1).to_string(), "Сидоров");
        other.index = None;
        let set = changed(&added.text, &[Wish::User { database: shop.clone(), user: other.clone() }]);
        wanted.databases[0].users[place] = other;
        prop_assert_eq!(parsed(&set.text), wanted.clone());

        let mut text = set.text;
        while let Some(gone) = wanted.databases[0].users.pop() {
            let remove = Wish::RemoveUser { database: shop.clone(), user: gone.id };
            text = changed(&text, &[remove]).text;
            prop_assert_eq!(parsed(&text), wanted.clone());
        }
        let again = changed(&text, &[Wish::User { database: shop, user: user("1", &name) }]);
        prop_assert_eq!(again.config.databases[0].users.len(), 1);
    }

    #[test]
    fn no_wish_for_any_text_panics(text in any::<String>(), port in any::<u16>()) {
        let wish = Wish::Server(ServerPatch { port: Some(port), ..ServerPatch::default() });
        drop(change(&text, "gateway.yaml", &Overrides::default(), std::slice::from_ref(&wish)));
        let text = format!("databases: []\n{text}");
        drop(change(&text, "gateway.yaml", &Overrides::default(), &[wish]));
    }
}

/// As shipped, for an entry that is put where none was.
#[test]
fn the_shipped_files_take_an_entry_and_a_server_port() {
    for text in [
        crate::DEFAULT,
        include_str!("../../../../config/in-front.yaml"),
    ] {
        let settings = DatabaseSettings {
            name: "Склад".to_owned(),
            folder: String::new(),
            comment: String::new(),
            mode: Mode::Server,
            https: true,
            authentication: true,
            barcode_login: false,
            port: 9716,
            print: PrintServer::default(),
            account: Account::None,
            compress: false,
            backups: true,
            tls: TlsProfile::default(),
            client_certificates: ClientCertificates::default(),
        };
        let add = Change::Add {
            id: id("sklad"),
            settings,
        };
        let server = Wish::Server(ServerPatch {
            port: Some(10601),
            ..ServerPatch::default()
        });
        let after = changed(text, &[Wish::Database(add.clone()), server]);
        assert_eq!(
            after.config.databases.last().unwrap().rights,
            Rights::Smarts
        );
        assert_eq!(after.config.server.port, 10601);
        assert_eq!(
            after.text.lines().count(),
            text.lines().count() + entry_lines(&after)
        );
    }
}

fn entry_lines(changed: &Changed) -> usize {
    let new = changed.steps.iter().map(|step| match step {
        Step::Insert { lines, .. } => lines.len(),
        Step::Replace { lines, with } => with.len() - lines.len(),
        Step::Delete { .. } => 0,
    });
    new.sum()
}

#[test]
fn the_words_name_the_line_and_what_to_write() {
    let text = DATABASES[0];
    let port = |id_text: &str, port| Change::Set {
        id: id(id_text),
        settings: SettingsPatch {
            port: Some(port),
            ..SettingsPatch::default()
        },
    };
    let (a, b) = (port("shop", 0), port("courier", 9706));
    let swap = changed(
        text,
        &[Wish::Database(a.clone()), Wish::Database(b.clone())],
    );
    assert_eq!(
        swap.instructions("gateway.yaml", Language::En),
        "gateway.yaml:9: write `port: 0     # terminals`\ngateway.yaml:34: write `port: 9706`"
    );
    let remove = Change::Remove { id: id("shop") };
    let removed = changed(text, &[Wish::Database(remove.clone())]);
    assert_eq!(
        removed.instructions("gateway.yaml", Language::Ru),
        "gateway.yaml:3-26: удалите эти строки"
    );
    assert_eq!(removed.config.databases[0].line, 7);
}

#[test]
fn what_cannot_be_had_is_said_and_what_is_so_needs_no_step() {
    let ask = |text: &str, settings: SettingsPatch, id_text: &str| {
        let set = Change::Set {
            id: id(id_text),
            settings,
        };
        change(
            text,
            "gateway.yaml",
            &Overrides::default(),
            &[Wish::Database(set.clone())],
        )
    };
    let port = |port| SettingsPatch {
        port: Some(port),
        ..SettingsPatch::default()
    };
    let good = DATABASES[0];
    assert_eq!(ask(good, port(9706), "shop").unwrap().steps, []);
    assert_eq!(
        ask(good, port(1), "other"),
        Err(CannotChange::NoSuchDatabase(id("other")))
    );
    let backups = SettingsPatch {
        backups: Some(true),
        ..SettingsPatch::default()
    };
    assert_eq!(
        ask(good, backups, "shop"),
        Err(CannotChange::NoSuchKey("backups"))
    );
    let clash = ask(good, port(9707), "courier");
    let Err(CannotChange::WouldBeFaulty(findings)) = &clash else {
        panic!("{clash:?}");
    };
    assert!(findings.iter().any(|one| one.cause.id() == "port-taken"));
    let broken = good.replace("rights", "right");
    assert!(matches!(
        ask(&broken, port(1), "shop"),
        Err(CannotChange::Faulty(_))
    ));
}

#[test]
fn the_files_of_a_certificate_are_taken_out_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, mode| {
        let file = folder.path().join(name);
        std::fs::write(&file, "").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&file, mode).unwrap();
        file.display().to_string()
    };
    let files = format!(
        "{{chain: {}, key: {}}}",
        file("a.pem", 0o644),
        file("a.key", 0o600)
    );
    let text = format!(
        "language: ru\ncertificate: {files} # default\ndatabases:\n- id: shop\n  name: Shop\n  rights: pass\n  \
         certificate: {files}\n  port: 0\n  upstream: http://127.0.0.1:9000\n"
    );
    let before = parsed(&text);
    for database in [None, Some(id("shop"))] {
        let wish = Wish::NoCertificate {
            database: database.clone(),
        };
        let changed = changed(&text, &[wish]);
        let mut wanted = before.clone();
        let line = match database {
            None => {
                wanted.certificate = None;
                "gateway.yaml:2"
            }
            Some(_) => {
                wanted.databases[0].certificate = None;
                "gateway.yaml:7"
            }
        };
        assert_eq!(changed.config.without_lines(), wanted);
        let words = changed.instructions("gateway.yaml", Language::En);
        assert!(words.starts_with(line), "{words}");
    }
}
