//! The scaffold against itself: what it gets wrong here it would blame on the gateway.

use std::{net::TcpListener, thread};

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

use super::*;

#[test]
fn the_upstream_writes_down_what_the_client_sent() {
    let upstream = RecordingUpstream::ok();
    let mut client = Dial::plain(upstream.address()).from([127, 0, 3, 9]).open();
    let sent = client.request("POST", "/a?b", &[("X-Odd", "1")], b"body");
    client.send(&sent);
    assert_eq!(client.response().text(), "ok");
    client.send(
        b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\nT: 1\r\n\r\n",
    );
    assert_eq!(client.response().status(), 200);
    let requests = upstream.requests();
    assert_eq!(requests[0].message.raw, sent);
    assert_eq!(requests[0].message.body, b"body");
    assert_eq!(requests[1].message.body, b"hi");
    assert_eq!(requests[1].connection, 0);
    assert!(requests[1].message.raw.ends_with(b"0\r\nT: 1\r\n\r\n"));
    assert_eq!(client.local().ip().to_string(), "127.0.3.9");
}

#[test]
fn an_upgraded_connection_echoes_and_the_end_is_seen() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")?;
        exchange.echo()
    });
    let mut client = Dial::plain(upstream.address()).open();
    let upgraded = client.http(
        "GET",
        "/",
        &[("Upgrade", "x"), ("Connection", "Upgrade")],
        b"",
    );
    assert_eq!(upgraded.status(), 101);
    client.send(b"ping");
    assert_eq!(client.read_exactly(4), b"ping");
    client.finish_sending();
    assert!(client.ends_silently().unwrap());
}

#[test]
fn a_closed_connection_is_told_from_a_served_one() {
    let upstream = RecordingUpstream::start(|exchange| {
        exchange.close();
        Ok(())
    });
    let dial = Dial::plain(upstream.address());
    assert!(matches!(
        dial.open().try_http("GET", "/", &[], b"").unwrap(),
        Reply::Closed
    ));
    assert!(dial.gets_no_byte());
    assert!(!Dial::plain(RecordingUpstream::ok().address()).gets_no_byte());
}

#[test]
fn a_certificate_is_trusted_by_its_authority_alone() {
    let folder = tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let issued = authority.issue("server", &["127.0.0.1", "localhost"]);
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate_chain_file(&issued.chain).unwrap();
    acceptor
        .set_private_key_file(&issued.key, SslFiletype::PEM)
        .unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(acceptor.accept(stream));
        }
    });
    let trusting = Dial::tls(address, authority.file());
    assert!(trusting.open().peer_thumbprint().is_some());
    let stranger_folder = tempdir().unwrap();
    let stranger = Authority::new(stranger_folder.path());
    assert!(Dial::tls(address, stranger.file()).try_open().is_err());
    assert!(!trusting.gets_no_byte(), "an alert or a hello came");
}

#[test]
fn a_process_is_awaited_by_its_line_and_its_signal() {
    let folder = tempdir().unwrap();
    let script = "trap 'exit 0' TERM; echo 'ready {\"port\":7}'; while :; do sleep 0.05; done";
    let mut process = Process::start("sh", ["-c", script], folder.path());
    assert_eq!(process.ready()["port"], 7);
    assert_eq!(process.terminate().code(), Some(0));
}

#[test]
fn a_file_says_what_its_fields_say() {
    let mut front = InFront::new(Path::new("/d"), [Database::new("a", "http://127.0.0.1:1")]);
    front.databases[0].users = vec![User {
        id: "1".to_owned(),
        name: "Иванов \"И\"".to_owned(),
        role: "mobile-user",
        password: Some(Hashed {
            phc: "$argon2id$x".to_owned(),
            index: None,
        }),
        barcode: None,
    }];
    let yaml = front.yaml();
    assert!(yaml.contains("name: \"Иванов \\\"И\\\"\""), "{yaml}");
    assert!(yaml.contains("password: \"$argon2id$x\""), "{yaml}");
    assert!(!yaml.contains("index:"), "{yaml}");
}

#[test]
#[should_panic(expected = "the key two stands twice")]
fn a_key_that_stands_twice_is_named() {
    drop(document::messages("one = 1\ntwo = 2\nthree = 3\ntwo = 4\n"));
}

#[test]
fn a_message_of_several_lines_is_one_with_all_its_values() {
    let catalogue = "# a = comment\none = text = { $first }\ntwo =\n    { $second }\n    x = { \" \" }\n\nthree=$top\n";
    let found = document::messages(catalogue);
    let told: Vec<(&str, Vec<&str>)> = found
        .iter()
        .map(|(key, values)| (*key, values.iter().copied().collect()))
        .collect();
    let expected = [
        ("one", vec!["first"]),
        ("three", vec![]),
        ("two", vec!["second"]),
    ];
    assert_eq!(told, expected);
}
