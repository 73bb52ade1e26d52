//! Who holds a busy port, as far as this user may see it (Linux, `/proc`).

use std::{fmt, fs};

/// The process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PortHolder {
    Process {
        pid: u32,
        name: String,
    },
    /// Its descriptors are readable only for root or its own user.
    AnotherUser,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, name } => write!(f, "{name} (pid {pid})"),
            Self::AnotherUser => f.write_str("a process of another user"),
        }
    }
}

/// Looks the listening socket of `port` up among all processes.
pub(crate) fn holder(port: u16) -> PortHolder {
    let inodes = listening_inodes(port);
    processes().find(|(pid, _)| holds(*pid, &inodes)).map_or(
        PortHolder::AnotherUser,
        |(pid, name)| PortHolder::Process { pid, name },
    )
}

/// Column 2 is `address:port` in hex, column 4 the state (`0A` listens), column 10 the inode.
fn listening_inodes(port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let lines = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok());
    let rows = lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    rows.filter_map(|row| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == "0A";
        listens.then(|| columns.get(9).map(|inode| format!("socket:[{inode}]")))?
    })
    .collect()
}

fn processes() -> impl Iterator<Item = (u32, String)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            Some((pid, name.trim().to_owned()))
        })
}

fn holds(pid: u32, inodes: &[String]) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| {
                inodes
                    .iter()
                    .any(|inode| target.as_os_str() == inode.as_str())
            })
        })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_of_this_process_is_found_under_its_pid() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = holder(port);
        assert!(matches!(found, PortHolder::Process { pid, .. } if pid == std::process::id()));
    }

    #[test]
    fn a_port_nobody_holds_names_no_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(holder(port), PortHolder::AnotherUser);
    }
}
