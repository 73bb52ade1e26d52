//! A network of its own for a test whose ports are fixed: a gateway that runs on this machine is
//! not in its way.

use std::process::Command;

use crate::{DEADLINE, process::finish, tool};

/// Loopback is down in a fresh network. What follows takes the place of the script.
const LOOPBACK_UP: &str = r#"
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// Runs `body` in a network of its own: this test once more, in a process of its own; where the
/// system does not allow that, in this one.
///
/// # Panics
/// When the test fails there.
pub fn in_own_network(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "TEST_HAS_ITS_OWN_NETWORK";
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];
    let allowed =
        |way: &&&[&str]| tool::run("unshare", way.iter().chain(&["true"]), "").code == Some(0);
    let inside = std::env::var_os(INSIDE).is_some();
    let Some(way) = ways.iter().filter(|_| !inside).find(allowed) else {
        return body();
    };
    let this = std::env::current_exe().unwrap();
    let inside = format!("{INSIDE}=1");
    let mut arguments: Vec<&str> = way.to_vec();
    arguments.extend(["env", &inside, "/usr/bin/python3", "-c", LOOPBACK_UP]);
    arguments.extend([this.to_str().unwrap(), "--exact", test, "--nocapture"]);
    let mut command = Command::new("unshare");
    command.args(arguments);
    let output = finish(command, b"", DEADLINE * 6);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let passed = output.status.success() && out.contains("1 passed");
    assert!(passed, "{out}{err}");
}
