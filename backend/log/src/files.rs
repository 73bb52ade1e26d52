//! Log files that together never exceed a bound.
//!
//! `PROGRAM.log` grows; when it is full, or the day (UTC) has changed, it becomes
//! `PROGRAM.DATE.NUMBER.log` and a new one begins. The oldest of these go when they are too old,
//! and before a line is written for which there is no room. A line is whole in one file: one that
//! could be written only in part is taken back. Files of other names in the folder are not ours.

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

/// What the files may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of one file; a line that is longer has a file of its own.
    pub(crate) file: u64,
    /// Bytes of all files together, never exceeded; two files at least.
    pub(crate) total: u64,
    /// Files whose last line is older are removed.
    pub(crate) keep_days: u16,
}

/// The files of one program in a folder. Each call of `write` is taken for one line.
#[derive(Debug)]
pub(crate) struct LogFiles {
    folder: PathBuf,
    program: String,
    limits: Limits,
    current: File,
    /// Bytes in `current`.
    written: u64,
    /// The day of the lines in `current`.
    day: Date,
    /// Oldest first.
    closed: VecDeque<Closed>,
    /// Lines that could not be written, not told yet.
    lost: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Closed {
    day: Date,
    number: u32,
    file: PathBuf,
    bytes: u64,
}

impl LogFiles {
    /// Goes on where the last process ended; what is too old or too much by now is removed.
    pub(crate) fn open(
        folder: &Path,
        program: &str,
        limits: Limits,
        now: SystemTime,
    ) -> io::Result<Self> {
        make_folder(folder)?;
        let mut current = open(&folder.join(format!("{program}.log")))?;
        let found = current.metadata()?;
        let mut written = found.len();
        if written > 0 && !ends_a_line(&mut current)? {
            // A kill in the middle of a line: the next one must not stick to it.
            current.write_all(b"\n")?;
            written += 1;
        }
        let day = day_of(if written > 0 { found.modified()? } else { now })?;
        let mut files = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
            limits,
            current,
            written,
            day,
            closed: closed_files(folder, program)?,
            lost: 0,
        };
        files.forget_old(day_of(now)?);
        files.make_room(0)?;
        Ok(files)
    }

    /// The line, and before it how many could not be written since the last that could: a gap in
    /// the log must show.
    fn write_counted(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        if self.lost > 0 {
            let told = lost(self.lost, now)?;
            self.write_line(&told, now)
                .inspect_err(|_| self.lost += 1)?;
            self.lost = 0;
        }
        self.write_line(line, now).inspect_err(|_| self.lost += 1)
    }

    fn write_line(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        let bytes = line.len() as u64;
        let today = day_of(now)?;
        let full = self.written + bytes > self.limits.file;
        if self.written > 0 && (full || today != self.day) {
            // Where this fails the file grows on, within the bound of all: no line is lost for it.
            if let Ok(()) = self.turn() {
                self.forget_old(today);
            }
        }
        if self.written == 0 {
            self.day = today;
        }
        self.make_room(bytes)?;
        if let Err(fault) = self.current.write_all(line) {
            self.current.set_len(self.written)?;
            return Err(fault);
        }
        self.written += bytes;
        Ok(())
    }

    /// Closes the current file and begins another.
    fn turn(&mut self) -> io::Result<()> {
        let of_day = self.closed.iter().filter(|closed| closed.day == self.day);
        let number = of_day.map(|closed| closed.number).max().unwrap_or(0) + 1;
        let name = format!("{}.{}.{number:03}.log", self.program, self.day);
        let file = self.folder.join(name);
        let at = self.folder.join(format!("{}.log", self.program));
        // Removed by somebody, or the folder with it: there is nothing to keep.
        let kept = match fs::rename(&at, &file) {
            Ok(()) => true,
            Err(fault) if fault.kind() == ErrorKind::NotFound => false,
            Err(fault) => return Err(fault),
        };
        self.current = match make_folder(&self.folder).and_then(|()| open(&at)) {
            Ok(begun) => begun,
            Err(fault) => {
                if kept {
                    fs::rename(&file, &at)?;
                }
                return Err(fault);
            }
        };
        if kept {
            self.closed.push_back(Closed {
                day: self.day,
                number,
                file,
                bytes: self.written,
            });
        }
        self.written = self.current.metadata()?.len();
        Ok(())
    }

    /// Removes the oldest files until `bytes` more are within the bound.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let mut all = self.written + bytes;
        if all > self.limits.total {
            return Err(ErrorKind::StorageFull.into());
        }
        all += self.closed.iter().map(|closed| closed.bytes).sum::<u64>();
        while all > self.limits.total {
            let oldest = self.closed.front().ok_or(ErrorKind::StorageFull)?;
            remove(&oldest.file)?;
            all -= oldest.bytes;
            self.closed.pop_front();
        }
        Ok(())
    }

    /// What cannot be removed now is tried again at the next turn.
    fn forget_old(&mut self, today: Date) {
        let kept = Span::new().days(self.limits.keep_days);
        let Ok(oldest) = today.checked_sub(kept) else {
            return;
        };
        self.closed
            .retain(|closed| closed.day >= oldest || remove(&closed.file).is_err());
    }
}

impl Write for LogFiles {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_counted(line, SystemTime::now())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lost(count: u64, now: SystemTime) -> io::Result<Vec<u8>> {
    let now = Timestamp::try_from(now).map_err(io::Error::other)?;
    let line = format!(
        "{{\"timestamp\":\"{now}\",\"level\":\"ERROR\",\"message\":\"log lines could not be written\",\
         \"lost\":{count},\"target\":\"log_files\"}}\n"
    );
    Ok(line.into_bytes())
}

/// Names and paths stand in a log: it is its owner's alone, and so is what has to be made above.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(fault) if fault.kind() != ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn day_of(moment: SystemTime) -> io::Result<Date> {
    let moment = Timestamp::try_from(moment).map_err(io::Error::other)?;
    Ok(TimeZone::UTC.to_datetime(moment).date())
}

/// The closed files of a folder, oldest first.
fn closed_files(folder: &Path, program: &str) -> io::Result<VecDeque<Closed>> {
    let mut closed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some((day, number)) = name.to_str().and_then(|name| closed_name(name, program)) {
            closed.push(Closed {
                day,
                number,
                bytes: entry.metadata()?.len(),
                file: entry.path(),
            });
        }
    }
    closed.sort();
    Ok(closed.into())
}

/// `PROGRAM.DATE.NUMBER.log`; without a number, one of the time when a day was a file.
fn closed_name(name: &str, program: &str) -> Option<(Date, u32)> {
    let middle = name
        .strip_prefix(program)?
        .strip_prefix('.')?
        .strip_suffix(".log")?;
    let (day, number) = match middle.split_once('.') {
        Some((day, number)) => (day, number.parse().ok()?),
        None => (middle, 0),
    };
    Some((day.parse().ok()?, number))
}

#[cfg(test)]
mod tests;
