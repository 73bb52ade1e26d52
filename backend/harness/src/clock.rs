//! A clock that a test turns while programs run by it, as libfaketime reads it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Ahead of the real one by what the test says; at first by nothing.
pub struct Clock {
    file: PathBuf,
    monotonic: bool,
}

impl Clock {
    /// A wall clock; its file goes to `folder`. Timers go by another, which stays as it is.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self::made(folder, false)
    }

    /// By which timers go, too: as if so much time had passed.
    #[must_use]
    pub fn of_everything(folder: &Path) -> Self {
        Self::made(folder, true)
    }

    fn made(folder: &Path, monotonic: bool) -> Self {
        let file = folder.join("clock");
        let clock = Self { file, monotonic };
        clock.turn(0);
        clock
    }

    /// From now on it is this many seconds ahead, for whoever runs by it.
    pub fn turn(&self, seconds: i64) {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, format!("{seconds:+}\n")).unwrap();
        fs::rename(fresh, &self.file).unwrap();
    }

    /// What makes a program run by it, as `NAME=VALUE`.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            (
                "FAKETIME_DONT_FAKE_MONOTONIC",
                u8::from(!self.monotonic).to_string(),
            ),
        ]
    }
}

/// Gives a command a wall clock of its own, that runs on: `+25h`.
pub(crate) fn ahead(command: &mut Command, by: &str) {
    command
        .env("LD_PRELOAD", library())
        .env("FAKETIME", by)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

/// The library itself: the wrapper program would stand between a signal and its receiver.
fn library() -> String {
    ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|triple| format!("/usr/lib/{triple}/faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|file| Path::new(file).exists())
        .expect("faketime is installed")
}
