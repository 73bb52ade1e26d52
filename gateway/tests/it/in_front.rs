//! In front of a server that we did not write: Debian's nginx, and Python's own http.server.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use harness::{DEADLINE, Database, Process, eventually, free_port};

use crate::house::{Plan, assert_refusal, basic, bearer, log_in};

/// Starts nginx with a configuration of its own; everything lies in `folder`.
fn nginx(folder: &Path) -> (Process, SocketAddr) {
    let port = free_port();
    let inside = folder.display();
    let root = folder.join("www");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("hello.txt"), "hello from nginx").unwrap();
    fs::write(root.join("big.bin"), vec![b'x'; 3 << 20]).unwrap();
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {inside}/{name};"))
        .join("\n");
    let user = if harness::tool::run("id", ["-u"], "").stdout.trim() == "0" {
        "user root;"
    } else {
        ""
    };
    let text = format!(
        "{user}
daemon off; master_process off; pid {inside}/nginx.pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  {temp}
  server {{
    listen 127.0.0.1:{port};
    root {inside}/www;
    client_max_body_size 64m;
    location /upload {{ dav_methods PUT DELETE; alias {inside}/www/; }}
    location /echo {{ return 200 \"$request_method $request_uri $http_host $http_x_forwarded_for $http_authorization\"; }}
    location /created {{ return 201 made; }}
    location /moved {{ return 302 http://elsewhere.example/; }}
  }}
}}
"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    let process = Process::spawn(command);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(DEADLINE, "nginx listens", || {
        std::net::TcpStream::connect(address).ok()
    });
    (process, address)
}

#[test]
fn nginx_is_served_through_the_gate_and_hears_what_the_client_sent() {
    let plan = Plan::new();
    let (_nginx, address) = nginx(plan.path());
    let user = plan.user("ivan", "external-connection", "Word-1");
    let database = Database::new("a", format!("http://{address}")).with_users([user]);
    let house = plan.with(database).start();
    let dial = house.dial("a").from([127, 0, 0, 9]);
    assert_refusal(&dial.get("/hello.txt", &[]), 401);
    let authorization = bearer(&log_in(&dial, "ivan", "Word-1"));
    let ours = [("Authorization", authorization.as_str())];
    let mut client = dial.open();
    assert_eq!(
        client.http("GET", "/hello.txt", &ours, b"").text(),
        "hello from nginx"
    );
    assert_eq!(
        client.http("GET", "/big.bin", &ours, b"").body.len(),
        3 << 20
    );
    let ranged = [ours[0], ("Range", "bytes=6-9")];
    let part = client.http("GET", "/hello.txt", &ranged, b"");
    assert_eq!((part.status(), part.text().as_str()), (206, "from"));
    let head = client.http("HEAD", "/big.bin", &ours, b"");
    assert_eq!(
        (head.status(), head.header("content-length")),
        (200, Some("3145728"))
    );
    assert_eq!(client.http("GET", "/created", &ours, b"").status(), 201);
    let moved = client.http("GET", "/moved", &ours, b"");
    assert_eq!(
        (moved.status(), moved.header("location")),
        (302, Some("http://elsewhere.example/"))
    );
    assert_eq!(
        client.http("GET", "/none", &ours, b"").status(),
        404,
        "nginx's own 404"
    );

    let named = [ours[0], ("Host", "shop.example:9706")];
    let echo = client
        .http("GET", "/echo/%D0%B1?$filter=a%20eq%20'x'", &named, b"")
        .text();
    assert_eq!(
        echo.trim_end(),
        "GET /echo/%D0%B1?$filter=a%20eq%20'x' shop.example:9706 127.0.0.9"
    );
}

#[test]
fn nginx_takes_uploads_of_both_framings() {
    let plan = Plan::new();
    let (_nginx, address) = nginx(plan.path());
    let house = plan
        .with(Database::new("a", format!("http://{address}")))
        .start();
    let mut client = house.dial("a").open();
    let body = vec![b'y'; 2 << 20];
    let put = client.http("PUT", "/upload/up.bin", &[], &body);
    assert!(matches!(put.status(), 201 | 204), "{}", put.start);
    assert_eq!(client.http("GET", "/up.bin", &[], b"").body, body);
    client.send(client.request(
        "PUT",
        "/upload/chunked.bin",
        &[("Transfer-Encoding", "chunked")],
        b"",
    ));
    client.send("5\r\nhello\r\n0\r\n\r\n");
    assert!(matches!(client.response().status(), 201 | 204));
    assert_eq!(client.http("GET", "/chunked.bin", &[], b"").text(), "hello");
    let gone = client.http("DELETE", "/upload/chunked.bin", &[], b"");
    assert_eq!(gone.status(), 204);
    assert_eq!(client.http("GET", "/chunked.bin", &[], b"").status(), 404);
}

#[test]
fn a_python_server_that_closes_after_each_answer_is_no_trouble() {
    let plan = Plan::new();
    let www = plan.path().join("www");
    fs::create_dir(&www).unwrap();
    fs::write(www.join("hello.txt"), "hello from python").unwrap();
    let port = free_port();
    let mut command = Command::new("/usr/bin/python3");
    command
        .args([
            "-m",
            "http.server",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--directory",
        ])
        .arg(&www);
    let _python = Process::spawn(command);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(DEADLINE, "python listens", || {
        std::net::TcpStream::connect(address).ok()
    });
    let user = plan.user("ivan", "external-connection", "Word-1");
    let database = Database::new("a", format!("http://{address}")).with_users([user]);
    let house = plan.with(database).start();
    let mut client = house.dial("a").open();
    let authorization = basic("ivan", "Word-1");
    for _ in 0..5 {
        let headers = [("Authorization", authorization.as_str())];
        assert_eq!(
            client.http("GET", "/hello.txt", &headers, b"").text(),
            "hello from python"
        );
    }
}
