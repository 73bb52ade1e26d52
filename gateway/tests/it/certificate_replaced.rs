//! A certificate that nobody can make again is kept when another takes its place, and the command
//! that was told brings it back.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::certificates::{Shop, shop};

/// For a server under no other authority.
fn made_elsewhere(shop: &Shop) -> [String; 2] {
    let files = ["elsewhere.pem", "elsewhere.key"].map(|name| shop.path(name));
    let [certificate, key] = &files;
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes"];
    let names = ["-subj", "/CN=elsewhere", "-addext"];
    let names = [&names[..], &["subjectAltName=IP:127.0.0.1"]].concat();
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let to = ["-keyout", key, "-out", certificate];
    shop.openssl(&[&make[..], &names, &leaf, &to].concat());
    files
}

/// The answer of an authority of the administrator's own, imported; its key was made here.
fn asked_for_and_imported(shop: &Shop, place: &[&str]) {
    let files = ["a.csr", "answer.pem", "root.pem", "root.key"].map(|name| shop.path(name));
    let [request, answer, root, key] = &files;
    let asked = shop.cert(&[&["csr", "--name", "127.0.0.1"], place].concat(), "");
    fs::write(request, asked["pem"].as_str().unwrap()).unwrap();
    let make = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Shop",
    ];
    shop.openssl(&[&make[..], &["-keyout", key, "-out", root]].concat());
    let sign = ["x509", "-req", "-in", request, "-CA", root, "-CAkey", key];
    let to = ["-copy_extensions", "copy", "-days", "30", "-out", answer];
    shop.openssl(&[&sign[..], &to].concat());
    shop.cert(&[&["import", root, answer], place].concat(), "");
}

#[test]
fn what_was_imported_is_kept_by_every_command_that_replaces_it_and_comes_back_by_the_one_told() {
    let shop = shop();
    let [certificate, key] = made_elsewhere(&shop);
    for (place, port) in [(&["--server"][..], 0), (&["--database", "b"], 3)] {
        let shown = || shop.shown()[port].clone();
        asked_for_and_imported(&shop, place);
        let own = shown();
        for replacing in [
            &["authority"][..],
            &["self-signed"],
            &["import", &certificate, &key],
            &["remove"],
        ] {
            let changed = shop.cert(&[replacing, place].concat(), "");
            assert_ne!(shown(), own, "{replacing:?}");
            let notes = changed["notes"].as_array().unwrap();
            let told = notes.last().unwrap().as_str().unwrap();
            let (_, command) = told.split_once("gateway ").unwrap();
            let words = command.split(' ').map(|word| word.trim_matches('\''));
            let words: Vec<&str> = words.collect();

            let file = Path::new(words[2]);
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(file), 0o600);
            assert_eq!(mode(file.parent().unwrap()), 0o700);
            let back = shop.house.command(&words);
            assert_eq!(back.code, Some(0), "{replacing:?}: {back:?}");
            assert_eq!(shown(), own, "{replacing:?}");
        }
    }
}

#[test]
fn a_kept_one_that_others_may_read_is_an_open_door() {
    let shop = shop();
    asked_for_and_imported(&shop, &["--server"]);
    shop.cert(&["remove"], "");
    let kept = fs::read_dir(shop.house.data().join("tls/server/replaced"));
    let file = kept.unwrap().next().unwrap().unwrap().path();
    let file = file.to_str().unwrap();
    let told = || shop.house.command(&["doctor"]).stdout.contains(file);
    assert!(!told());
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(told());
}

#[test]
fn what_the_gateway_makes_again_is_replaced_without_a_word() {
    let shop = shop();
    for (command, notes) in [("authority", 1), ("authority", 0), ("self-signed", 1)] {
        let changed = shop.cert(&[command], "");
        let told = changed["notes"].as_array().unwrap();
        assert_eq!(told.len(), notes, "{told:?}");
    }
    let kept = shop.house.data().join("tls/server/replaced");
    assert!(!kept.exists());
}
